// Package server is the running repository: it mounts the faces on listeners,
// records every read and every refused request in the table system, and starts
// and stops the parts in order.
package server
