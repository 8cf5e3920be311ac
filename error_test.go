package vigil_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"vigil"
)

func TestKindOf(t *testing.T) {
	full := &vigil.Error{Kind: vigil.Full, Message: "the disk is full", Err: io.ErrShortWrite}
	for err, want := range map[error]vigil.Kind{
		nil:                            vigil.Internal,
		io.EOF:                         vigil.Internal,
		full:                           vigil.Full,
		fmt.Errorf("append: %w", full): vigil.Full,
		errors.Join(io.EOF, full):      vigil.Full,
		vigil.Errorf(vigil.NotFound, "no %s", "x"): vigil.NotFound,
	} {
		if got := vigil.KindOf(err); got != want {
			t.Errorf("%v is of kind %d, want %d", err, got, want)
		}
	}
	if !errors.Is(full, io.ErrShortWrite) {
		t.Error("the cause is not found")
	}
	if got := full.Error(); got != "the disk is full: short write" {
		t.Errorf("error %q", got)
	}
}

func TestErrorf(t *testing.T) {
	e := vigil.Errorf(vigil.Invalid, "column %q does not exist", "x")
	if e.Message != `column "x" does not exist` || e.Error() != e.Message || e.Code != "" {
		t.Errorf("%+v", e)
	}
}
