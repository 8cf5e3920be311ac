// Package auth says who sent a request and what they may do: bearer tokens,
// Basic clients and client certificates become a [Principal] with a role, and
// [Grants] say what a role may do with a table.
//
// Codes and texts of refusals are those of PostgREST after version 16. It keeps
// no users and no sessions, and gives out no tokens except by [Mint].
//
// # Keys
//
// A token's algorithm is believed only where the key that verifies it is of that
// algorithm's kind, so that a public key can never be taken for a shared secret.
// Keys come from configuration alone; what a token names itself (jku, x5u, jwk,
// x5c) is never read.
package auth
