package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"vigil/internal/config"
	"vigil/internal/ledger"
)

// openLog makes what signs the log. A store that is read-only signs nothing.
func (s *serving) openLog() (err error) {
	origin := s.store.Log().Origin()
	pc := ledger.PublisherConfig{Log: s.store.Log(), Epoch: 1, StoreID: origin, Logger: s.log, Metrics: s.tel.Registry}
	kept, lasts := s.store.(lastingStore)
	if !lasts {
		skey, err := ledger.GenerateKey(origin)
		if err != nil {
			return err
		}
		if s.signer, err = ledger.NewSigner(skey); err != nil {
			return err
		}
	} else {
		if s.signer, err = s.loadKey(kept); err != nil {
			return err
		}
		pc.Guard, pc.StoreID, pc.Epoch, pc.LastIDs = kept.Guard(), kept.StoreID(), kept.Epoch(), kept.LastIDs
	}
	if s.store.Err() != nil {
		return nil
	}
	pc.Signer = s.signer
	for _, to := range s.cfg.Checkpoints {
		out, err := ledger.ParseOutput(to)
		if err != nil {
			return usageError{err}
		}
		pc.Outputs = append(pc.Outputs, out)
	}
	s.publisher, err = ledger.NewPublisher(pc)
	return err
}

// loadKey reads the key that signs the log of a store, or makes it. The key of a
// log that has been signed is not made anew where it used to lie: whoever
// verifies the log knows the old one, and has to be told.
func (s *serving) loadKey(kept lastingStore) (*ledger.Signer, error) {
	path, name := keyPath(s.cfg, kept), kept.Log().Origin()
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return ledger.LoadOrCreateKey(path, name)
	}
	if signedBefore(kept) {
		if s.cfg.SigningKey == "" {
			return nil, fmt.Errorf("the log has been signed, but the file of its signing key %s is missing: put it back from the backup%s, or name another file with --signing-key: a new key is made there, and whoever verifies the log must be told it", path, elsewhere(s.cfg))
		}
		s.log.Warn("the log has been signed before, but not by this new key: tell whoever verifies it", "file", path)
	}
	if kept.Epoch() > 1 { // not named after this epoch: it serves the later ones, too
		name = strings.TrimSuffix(name, fmt.Sprintf("/e%d", kept.Epoch()))
	}
	return ledger.LoadOrCreateKey(path, name)
}

// elsewhere returns what else may be the reason that a file of the state
// directory is missing: that the directory is not the one that servers use.
func elsewhere(cfg *config.Config) string {
	if !cfg.IsPostgres() {
		return ""
	}
	return ", give the directory that has it by --state-dir"
}

// signedBefore reports whether checkpoints of the store's log may be known. A log
// that was only imported has none.
func signedBefore(kept lastingStore) bool {
	g, err := kept.Guard().Load(kept.StoreID())
	if err != nil { // nobody knows
		return kept.Log().Size() > 0
	}
	return len(g.Checkpoint) > 0 || g.Epoch > 1 || kept.Epoch() > 1
}
