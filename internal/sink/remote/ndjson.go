package remote

// NewNDJSON returns a Sink that posts the lines as they are, each ended by a
// newline, to anything that answers 2xx when it has them. The Content-Type is
// application/x-ndjson where Config's headers say nothing else.
func NewNDJSON(c Config) (*Sink, error) {
	return newSink(c, protocol{path: "/", contentType: "application/x-ndjson", lines: 1000, bytes: 4 << 20, sep: "\n", close: "\n"})
}
