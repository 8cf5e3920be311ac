package spool

import (
	"bytes"
	"testing"

	"vigil"
)

// FuzzFrame reads any bytes as a frame and as events; what it understands it
// writes back the same.
func FuzzFrame(f *testing.F) {
	events, err := appendEvents(nil, []*vigil.Event{{Table: "t", Format: "f", Doc: []byte("{}"), WantID: -1, Sender: &vigil.Sender{Subject: "s"}}, {}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append(appendHead(nil, kindEvents, 1), events...))
	f.Add(append(appendHead(nil, kindEnd, 2), make([]byte, 8)...))
	f.Add(append(appendField(append(appendHead(nil, kindPlan, 3), make([]byte, 8)...), "key"), events...))
	f.Add(appendHead(nil, kindAck, 4))
	several := appendField(appendHead(nil, kindSeveral, 6), appendHead(nil, kindBegin, 5))
	f.Add(appendField(several, append(appendHead(nil, kindEvents, 6), events...)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 0 && b[0] == kindSeveral {
			again := appendHead(nil, kindSeveral, 0)
			if err := eachFrame(b, func(f frame, _ int64) error {
				if f.kind == kindSeveral {
					t.Fatalf("%x holds frames that hold frames", b)
				}
				e := entry{kind: f.kind, begun: f.begun, number: f.number}
				if f.kind != kindPlan {
					again = appendField(again, append(e.head(nil), f.body...))
				}
				return nil
			}); err == nil && len(again) > len(b)+16 {
				t.Fatalf("%x is read as more than it is", b)
			}
			return
		}
		fr, err := parseFrame(b)
		if err != nil {
			return
		}
		if !bytes.HasSuffix(b, fr.body) || !bytes.HasPrefix(b, appendHead(nil, fr.kind, fr.number)) {
			t.Fatalf("%x is read as %+v", b, fr)
		}
		events, err := parseEvents(fr.body)
		if err != nil {
			return
		}
		again, err := appendEvents(nil, events)
		if err != nil {
			t.Fatal(err)
		}
		back, err := parseEvents(again)
		if err != nil || len(back) != len(events) {
			t.Fatalf("%d events are read back as %d, %v", len(events), len(back), err)
		}
		for i, e := range events {
			if !bytes.Equal(e.Doc, back[i].Doc) || e.Table != back[i].Table || e.Format != back[i].Format || e.WantID != back[i].WantID || (e.Sender == nil) != (back[i].Sender == nil) {
				t.Fatalf("%+v is read back as %+v", e, back[i])
			}
		}
	})
}
