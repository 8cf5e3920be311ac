package bench

import "net/http"

// WritePoints are the points of the write comparison.
func WritePoints() []Point {
	return []Point{
		{Name: "single POST, 1 connection", Connections: 1},
		{Name: "single POST, 8 connections", Connections: 8},
		{Name: "single POST, 64 connections", Connections: 64},
		{Name: "arrays of 1,000, 1 connection", Connections: 1, Size: 1000},
		{Name: "arrays of 1,000, 4 connections", Connections: 4, Size: 1000},
	}
}

// Writer returns a contender that gets logserver's events, posted to /events.
func Writer(name string, t Target) Contender {
	return Contender{Name: name, Load: func(p Point) Load {
		n := 512
		if p.Size > 1 {
			n = 8
		}
		return posts(t, "/events", http.StatusCreated, Bodies(n, p.Size, p.Long))
	}}
}

// posts returns a load of POSTs of JSON.
func posts(t Target, path string, want int, bodies [][]byte) Load {
	requests := make([][]byte, len(bodies))
	for i, body := range bodies {
		requests[i] = Post(t.Addr, path, t.Token, body)
	}
	return Load{Addr: t.Addr, Requests: requests, Want: want}
}
