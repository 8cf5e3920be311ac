package main

import (
	"path/filepath"
	"strings"

	"vigil/internal/config"
)

// storeDir returns the directory of a dir: store, empty for any other.
func storeDir(cfg *config.Config) string {
	dir, ok := strings.CutPrefix(cfg.Store, "dir:")
	if !ok {
		return ""
	}
	return dir
}

// stateDir returns the directory of what a store has beside its events: the
// secret and the signing key. A store in memory has none.
func stateDir(cfg *config.Config) string {
	if cfg.IsPostgres() {
		return cfg.Postgres.StateDir
	}
	return storeDir(cfg)
}

// guardDir returns the directory of the rollback guard; empty is the choice of
// the embedded store, beside its directory.
func guardDir(cfg *config.Config) string {
	if cfg.Guard == "" && cfg.IsPostgres() {
		return filepath.Join(stateDir(cfg), "guard")
	}
	return cfg.Guard
}

// keyPath returns the file of the key that signs the store's log. Those of
// stores in PostgreSQL are named after the store: a database that is made anew
// has another log, and that another key.
func keyPath(cfg *config.Config, s lastingStore) string {
	switch {
	case cfg.SigningKey != "":
		return cfg.SigningKey
	case cfg.IsPostgres():
		return filepath.Join(stateDir(cfg), "log-"+s.StoreID()+".key")
	}
	return filepath.Join(storeDir(cfg), "log.key")
}

// storeName names the store for people, without a password.
func storeName(cfg *config.Config) string {
	if dir := storeDir(cfg); dir != "" {
		return absolute(dir)
	}
	return config.Redact(cfg.Store)
}

// spoolDir returns the directory of the spools of gateways, each in one of its
// own below it.
func spoolDir(cfg *config.Config) string {
	if dir := stateDir(cfg); dir != "" {
		return filepath.Clean(dir) + ".spool"
	}
	return "vigil-spool"
}
