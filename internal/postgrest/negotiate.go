package postgrest

import (
	"slices"
	"strconv"
	"strings"
)

// media is a form that an answer can have.
type media struct {
	contentType string
	encode      encoding
	stripped    bool // members that are null are left out
}

// encoding is how rows are written.
type encoding uint8

const (
	encodeArray  encoding = iota // a JSON array of objects
	encodeObject                 // the one row as a JSON object
	encodeCSV
	encodeLines   // NDJSON
	encodeTail    // server-sent events
	encodeOpenAPI // the description, at the root only
)

var (
	mediaJSON           = &media{contentType: "application/json; charset=utf-8"}
	mediaArrayStripped  = &media{contentType: "application/vnd.pgrst.array+json;nulls=stripped; charset=utf-8", stripped: true}
	mediaObject         = &media{contentType: "application/vnd.pgrst.object+json; charset=utf-8", encode: encodeObject}
	mediaObjectStripped = &media{contentType: "application/vnd.pgrst.object+json;nulls=stripped; charset=utf-8", encode: encodeObject, stripped: true}
	mediaCSV            = &media{contentType: "text/csv; charset=utf-8", encode: encodeCSV}
	mediaLines          = &media{contentType: "application/x-ndjson; charset=utf-8", encode: encodeLines}
	mediaTail           = &media{contentType: "text/event-stream; charset=utf-8", encode: encodeTail}
	mediaOpenAPI        = &media{contentType: "application/openapi+json; charset=utf-8", encode: encodeOpenAPI}
)

// rowMedia are the forms of rows by the name that an Accept header gives them.
var rowMedia = map[string]*media{
	"*/*":                               mediaJSON,
	"application/json":                  mediaJSON,
	"application/vnd.pgrst.array":       mediaJSON,
	"application/vnd.pgrst.array+json":  mediaJSON,
	"application/vnd.pgrst.object":      mediaObject,
	"application/vnd.pgrst.object+json": mediaObject,
	"text/csv":                          mediaCSV,
	"application/x-ndjson":              mediaLines,
	"text/event-stream":                 mediaTail,
}

// rootMedia are the forms of the description.
var rootMedia = map[string]*media{
	"*/*":                      mediaOpenAPI,
	"application/json":         mediaOpenAPI,
	"application/openapi+json": mediaOpenAPI,
}

// wish is one element of an Accept header.
type wish struct {
	name     string
	quality  float64
	stripped bool
}

// negotiate returns the form that is wanted most among those of known. Without
// an Accept header it is that of */*. An empty header accepts nothing, as in
// PostgREST.
func negotiate(accept []string, known map[string]*media) (*media, error) {
	if len(accept) == 0 {
		return known["*/*"], nil
	}
	if len(accept) == 1 { // what most clients send
		if m := known[accept[0]]; m != nil {
			return m, nil
		}
	}
	wishes := parseAccept(strings.Join(accept, ","))
	for _, w := range wishes {
		m := known[w.name]
		switch {
		case m == nil:
			continue
		case w.stripped && m == mediaObject:
			return mediaObjectStripped, nil
		case w.stripped && strings.HasPrefix(w.name, "application/vnd.pgrst.array"):
			return mediaArrayStripped, nil
		}
		return m, nil
	}
	names := make([]string, len(wishes))
	for i := range wishes {
		names[i] = wishes[i].name
	}
	return nil, errMedia(names)
}

// parseAccept reads an Accept header, the most wanted first.
func parseAccept(header string) []wish {
	var wishes []wish
	for elem := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(elem, ";")
		w := wish{name: strings.ToLower(strings.TrimSpace(name)), quality: 1}
		for param := range strings.SplitSeq(params, ";") {
			k, v, _ := strings.Cut(strings.TrimSpace(param), "=")
			switch strings.ToLower(k) {
			case "q":
				if q, err := strconv.ParseFloat(v, 64); err == nil {
					w.quality = q
				}
			case "nulls":
				w.stripped = v == "stripped"
			}
		}
		if w.quality > 0 { // q=0 is not acceptable (RFC 9110, section 12.4.2)
			wishes = append(wishes, w)
		}
	}
	slices.SortStableFunc(wishes, func(a, b wish) int {
		switch {
		case a.quality > b.quality:
			return -1
		case a.quality < b.quality:
			return 1
		}
		return 0
	})
	return wishes
}
