package postgres

import "time"

// maxPatience bounds how long a group waits for others.
const maxPatience = time.Millisecond

// gathering says how long the next group waits for requests that are likely to join
// it. Clients that send one event after the other come back as soon as they are
// answered: without waiting for them the groups of eight clients are of four, twice
// as many, and each costs a sync and the fixed work of statements and indexes.
type gathering struct {
	expect   int // requests that are likely to be there soon; below 2 nothing is waited for
	patience time.Duration
}

// learn notes that a commit took so long and answered so many requests of so many
// events, while others came that wait.
func (g *gathering) learn(answered, events, waiting int, took time.Duration) {
	g.expect, g.patience = min(answered+waiting, copyRows-1), min(took/2, maxPatience)
	if events >= copyRows { // it has its size without, and takes longer than a client
		g.expect = 0
	}
}

// gather waits until the requests are there that are likely to come soon.
func (s *Store) gather() {
	g := &s.seq.gathering
	if g.expect < 2 || !s.queue.want(g.expect) {
		return
	}
	late := time.NewTimer(g.patience)
	defer late.Stop()
	for s.queue.want(g.expect) {
		select {
		case <-s.queue.wake:
		case <-late.C:
			return
		}
	}
}
