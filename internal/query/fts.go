package query

func compileTextSearch(typ Type, t *Test) (matcher, error) { return matcher{}, noOperator(typ, t.Op) }
