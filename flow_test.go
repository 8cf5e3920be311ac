package vigil_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"

	"vigil"
)

// recorder returns a Writer that keeps what it is given, and fails with err.
func recorder(got *[]*vigil.Event, err error) vigil.Writer {
	return vigil.WriterFunc(func(_ context.Context, events []*vigil.Event) error {
		*got = append(*got, events...)
		return err
	})
}

func TestTee(t *testing.T) {
	ctx := context.Background()
	events := []*vigil.Event{{ID: 1}, {ID: 2}}
	var a, b, c []*vigil.Event
	err := vigil.Tee(recorder(&a, nil), recorder(&b, io.ErrClosedPipe), recorder(&c, io.ErrShortWrite)).Write(ctx, events)
	if !errors.Is(err, io.ErrClosedPipe) || !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("error %v", err)
	}
	for i, got := range [][]*vigil.Event{a, b, c} {
		if !slices.Equal(got, events) {
			t.Errorf("writer %d got %v", i, got)
		}
	}
	if err := vigil.Tee(recorder(&a, nil), recorder(&b, nil)).Write(ctx, events); err != nil {
		t.Error(err)
	}
	if err := vigil.Tee().Write(ctx, events); err != nil {
		t.Error(err)
	}
	if err := vigil.Tee(recorder(&a, io.EOF)).Write(ctx, events); !errors.Is(err, io.EOF) {
		t.Errorf("error %v", err)
	}
}

func TestMap(t *testing.T) {
	ctx := context.Background()
	var got []*vigil.Event
	calls := 0
	w := vigil.WriterFunc(func(ctx context.Context, events []*vigil.Event) error {
		calls++
		return recorder(&got, nil).Write(ctx, events)
	})
	odd := vigil.Map(w, func(e *vigil.Event) *vigil.Event {
		if e.ID%2 == 0 {
			return nil
		}
		changed := *e
		changed.Table = vigil.TableLogs
		return &changed
	})
	events := []*vigil.Event{{ID: 1}, {ID: 2}, {ID: 3}}
	if err := odd.Write(ctx, events); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].ID != 1 || got[1].ID != 3 || got[0].Table != vigil.TableLogs {
		t.Errorf("got %v", got)
	}
	if len(events) != 3 || events[1].ID != 2 || events[0].Table != "" {
		t.Error("the batch was changed")
	}
	if err := odd.Write(ctx, []*vigil.Event{{ID: 2}}); err != nil || calls != 1 {
		t.Errorf("an empty batch was written: %d calls, %v", calls, err)
	}
}
