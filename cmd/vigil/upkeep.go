package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"vigil"
	"vigil/internal/config"
	"vigil/internal/ledger"
	"vigil/internal/postgrest"
	"vigil/internal/server"
	"vigil/internal/store"
	"vigil/internal/store/postgres"
	"vigil/internal/store/segment"
	"vigil/internal/transfer"
	"vigil/internal/web"
)

// upkeepPath is where a server does for commands what only it can while it has
// the store open. Only who can open the socket in the store's directory gets there.
const upkeepPath = "/store/"

// upkeepRequest is the body of a request below upkeepPath.
type upkeepRequest struct {
	UIDs   []vigil.UID `json:"uids,omitempty"`
	Table  string      `json:"table,omitempty"`
	Before time.Time   `json:"before,omitzero"`
	Reason string      `json:"reason,omitempty"`
	Sender string      `json:"sender,omitempty"` // subject, for the record
	To     string      `json:"to,omitempty"`     // of a backup: a directory on the server's machine
}

// upkeepAnswer is the body of an answer.
type upkeepAnswer struct {
	Removed int64         `json:"removed"`
	Backup  *store.Backup `json:"backup,omitempty"`
}

// maxUpkeep bounds the body of a request: some hundred thousand UIDs.
const maxUpkeep = 16 << 20

// upkeep serves the requests below upkeepPath.
func (s *serving) upkeep() http.Handler {
	return web.Handle(func(w http.ResponseWriter, r *http.Request) error {
		if !server.Local(r) {
			return vigil.Errorf(vigil.NotFound, "there is nothing here")
		}
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			return vigil.Errorf(vigil.NotAllowed, "%s takes a POST", r.URL.Path)
		}
		var in upkeepRequest
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxUpkeep)).Decode(&in); err != nil {
			return &vigil.Error{Kind: vigil.Invalid, Message: "the body is not what this version of vigil sends", Err: err}
		}
		out, err := doUpkeep(r.Context(), s.store, r.URL.Path[len(upkeepPath):], &in)
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", "application/json")
		return json.NewEncoder(w).Encode(out)
	}, postgrest.ErrorWriter(s.log))
}

// doUpkeep erases, prunes or backs up.
func doUpkeep(ctx context.Context, s store.Store, what string, in *upkeepRequest) (*upkeepAnswer, error) {
	who := sender()
	if in.Sender != "" {
		who.Subject = in.Sender
	}
	why := store.Removal{Reason: in.Reason, Sender: who}
	remover, removes := s.(store.Remover)
	backuper, copies := s.(store.Backuper)
	out := &upkeepAnswer{}
	var err error
	switch {
	case what == "erase" && removes:
		out.Removed, err = remover.Erase(ctx, in.UIDs, why)
	case what == "prune" && removes:
		out.Removed, err = remover.Prune(ctx, in.Table, in.Before, why)
	case what == "backup" && copies:
		out.Backup, err = backuper.Backup(ctx, in.To)
		if at, ok := errors.AsType[*fs.PathError](err); ok { // who is local may know what is wrong with the place
			err = &vigil.Error{Kind: vigil.Invalid, Message: "the copy cannot be made: " + at.Error(), Err: err}
		}
	default:
		err = vigil.Errorf(vigil.NotFound, "this store has no %q", what)
	}
	return out, err
}

// maintain has the store do something: in PostgreSQL, in a directory that nobody
// has open, or through the server that has.
func (s *settings) maintain(ctx context.Context, std *stdio, cfg *config.Config, what string, in *upkeepRequest) (out *upkeepAnswer, err error) {
	dir := storeDir(cfg)
	if dir == "" && !cfg.IsPostgres() {
		return nil, usagef("a store in memory ends with its server: there is nothing to %s", what)
	}
	if dir != "" {
		if _, err := os.Stat(filepath.Join(dir, "manifest")); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w in %s: name one by --store", errNoStore, dir)
		}
	}
	opened, err := openToWrite(ctx, cfg)
	if errors.Is(err, segment.ErrLocked) {
		in.Sender = sender().Subject
		return askUpkeep(ctx, segment.SocketPath(dir), what, in)
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	return doUpkeep(ctx, opened, what, in)
}

// openToWrite opens the store for a command that changes it.
func openToWrite(ctx context.Context, cfg *config.Config) (store.Store, error) {
	c := storeConfig(cfg, slog.New(slog.DiscardHandler), nil)
	if !cfg.IsPostgres() {
		s, err := segment.Open(storeOptions(cfg), c)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	s, err := postgres.Open(ctx, databaseOptions(cfg), c)
	if err != nil {
		return nil, readiness(err)
	}
	if none, missing := errors.AsType[*ledger.NoGuardError](s.Err()); missing {
		err := fmt.Errorf("the rollback guard of this store is not in %s, so nothing is changed: give the directory that its servers have by --state-dir, or by --guard where theirs is elsewhere", filepath.Dir(none.File))
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// askUpkeep asks the server behind a socket. It may think for hours.
func askUpkeep(ctx context.Context, socket, what string, in *upkeepRequest) (*upkeepAnswer, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	r := newSocket(socket)
	r.client.Transport.(*http.Transport).ResponseHeaderTimeout = 0
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.base+upkeepPath+what, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := r.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("reach %s: %w", r.name, err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("reach %s: %w", r.name, err)
	}
	if res.StatusCode != http.StatusOK {
		return nil, transfer.ErrorOf(res.StatusCode, answer)
	}
	out := &upkeepAnswer{}
	if err := json.Unmarshal(answer, out); err != nil {
		return nil, fmt.Errorf("%s: %w", r.name, err)
	}
	return out, nil
}
