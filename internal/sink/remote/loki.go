package remote

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"vigil/internal/jsonb"
)

// NewLoki returns a Sink for Loki's push API. All lines go to the one stream
// with these labels; none is {"service_name":"vigil"}. A tenant is the header
// X-Scope-OrgID.
func NewLoki(c Config, labels map[string]string) (*Sink, error) {
	if len(labels) == 0 {
		labels = map[string]string{"service_name": "vigil"}
	}
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if !isLabel(name) {
			return nil, fmt.Errorf("open sink %s: %q cannot be a label: want letters, digits and _, no digit first", c.Name, name)
		}
	}
	stream, err := json.Marshal(labels)
	if err != nil {
		return nil, fmt.Errorf("open sink %s: labels: %w", c.Name, err)
	}
	return newSink(c, protocol{
		path: "/loki/api/v1/push", contentType: "application/json", lines: 1000, bytes: 3 << 20,
		open: `{"streams":[{"stream":` + string(stream) + `,"values":[`, sep: ",", close: "]}]}",
		item: func(dst []byte, it *item) []byte {
			dst = append(dst, `["`...)
			dst = strconv.AppendInt(dst, unixNano(it.at), 10)
			dst = append(dst, `",`...)
			return append(jsonb.AppendLineString(dst, it.line), ']')
		},
		judge: judgeLoki,
	})
}

func isLabel(s string) bool {
	for i, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
