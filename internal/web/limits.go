package web

import "time"

// Limits bound what one client, and all of them together, may use.
type Limits struct {
	Body     int64 // longest request body, after decompression, in bytes
	Depth    int   // deepest nesting of a JSON document; for the faces
	Keys     int   // most keys of a JSON document; for the faces
	InFlight int64 // bytes of request bodies held at any one time

	Header      time.Duration // longest time for the header of a request
	Stall       time.Duration // longest time without a byte of a body, either way
	Rate        int64         // slowest a body may come once Stall has passed, bytes per second
	Idle        time.Duration // longest a connection may stay without a request
	HeaderBytes int           // longest header
}

// DefaultLimits returns the limits that hold unless configured otherwise.
func DefaultLimits() Limits {
	return Limits{
		Body: 10 << 20, Depth: 100, Keys: 100_000, InFlight: 256 << 20,
		Header: 10 * time.Second, Stall: 30 * time.Second, Rate: 1 << 10,
		Idle: 2 * time.Minute, HeaderBytes: 64 << 10,
	}
}

// OrDefault fills what a face was not given: limits that are zero are those of
// [DefaultLimits], and bodies that are nil are read within the limits.
func OrDefault(l Limits, b *Bodies) (Limits, *Bodies) {
	l = l.orDefault()
	if b == nil {
		b = NewBodies(l)
	}
	return l, b
}

// orDefault fills what is zero from [DefaultLimits].
func (l Limits) orDefault() Limits {
	d := DefaultLimits()
	fill(&l.Body, d.Body)
	fill(&l.Depth, d.Depth)
	fill(&l.Keys, d.Keys)
	fill(&l.InFlight, d.InFlight)
	fill(&l.Header, d.Header)
	fill(&l.Stall, d.Stall)
	fill(&l.Rate, d.Rate)
	fill(&l.Idle, d.Idle)
	fill(&l.HeaderBytes, d.HeaderBytes)
	return l
}

// fill sets v to d where it is zero.
func fill[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}
