// Package web is what every HTTP face stands on: handlers that return errors,
// bodies read within limits, compression, who is at the other end, and servers
// that stop without losing what they acknowledged.
//
// It knows no tables, no roles and no error bodies: those belong to the faces.
package web
