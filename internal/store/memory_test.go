package store_test

import (
	"testing"

	"vigil/internal/store"
	"vigil/internal/store/storetest"
)

func TestMemory(t *testing.T) {
	storetest.Run(t, func(t testing.TB, c store.Config) store.Store {
		s, err := store.NewMemory(c)
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
