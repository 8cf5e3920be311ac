package main

import (
	"context"

	"vigil/internal/postgrest"
	"vigil/internal/store/postgres/relation"
)

// openRelations opens the tables in the store's database that Vigil did not make;
// there are none where the store is in no database.
func (s *serving) openRelations(ctx context.Context) (err error) {
	c := s.cfg.Relations
	if !s.cfg.IsPostgres() || !c.Serve {
		return nil
	}
	var own []string
	for _, t := range s.store.Schemas() {
		own = append(own, t.Table)
	}
	s.relations, err = relation.Open(ctx, relation.Config{
		URL: s.cfg.Store, Schemas: s.cfg.Schemas, Path: c.SearchPath, Own: own, Conns: c.Connections, Log: s.log,
	})
	return err
}

// beside returns those tables for the face, nil where there are none.
func (s *serving) beside() postgrest.Relations {
	if s.relations == nil {
		return nil // and not a nil *relation.DB in an interface
	}
	return s.relations
}

// closeRelations lets go of them.
func (s *serving) closeRelations() {
	if s.relations != nil {
		s.relations.Close()
	}
}
