package postgrest

import "testing"

func TestNegotiate(t *testing.T) {
	tests := []struct {
		accept []string
		want   *media
		err    string // message of the refusal
	}{
		{nil, mediaJSON, ""},
		{[]string{"*/*"}, mediaJSON, ""},
		{[]string{"application/json"}, mediaJSON, ""},
		{[]string{"Application/JSON"}, mediaJSON, ""},
		{[]string{"application/json; charset=utf-8"}, mediaJSON, ""},
		{[]string{"application/json;nulls=stripped"}, mediaJSON, ""},
		{[]string{"application/vnd.pgrst.array"}, mediaJSON, ""},
		{[]string{"application/vnd.pgrst.array+json;nulls=stripped"}, mediaArrayStripped, ""},
		{[]string{"application/vnd.pgrst.array;nulls=stripped"}, mediaArrayStripped, ""},
		{[]string{"application/vnd.pgrst.object"}, mediaObject, ""},
		{[]string{"application/vnd.pgrst.object+json;nulls=stripped"}, mediaObjectStripped, ""},
		{[]string{"application/json;q=0.5, text/csv"}, mediaCSV, ""},
		{[]string{"text/csv;q=0.5, application/json;q=0.5"}, mediaCSV, ""},
		{[]string{"text/csv", "application/json"}, mediaCSV, ""},
		{[]string{"text/html, */*;q=0.1"}, mediaJSON, ""},
		{[]string{"application/x-ndjson"}, mediaLines, ""},
		{[]string{"text/event-stream"}, mediaTail, ""},
		{[]string{"text/csv;q=nonsense"}, mediaCSV, ""},
		{[]string{""}, nil, "None of these media types are available: "},
		{[]string{"application/*"}, nil, "None of these media types are available: application/*"},
		{[]string{"application/xml;q=0.5;foo=bar, text/x"}, nil, "None of these media types are available: text/x, application/xml"},
		{[]string{"application/openapi+json"}, nil, "None of these media types are available: application/openapi+json"},
	}
	for _, tt := range tests {
		got, err := negotiate(tt.accept, rowMedia)
		if err != nil {
			if e := asError(err); tt.want != nil || e.Status != 406 || e.Code != "PGRST107" || e.Message != tt.err {
				t.Errorf("%q: %v", tt.accept, err)
			}
			continue
		}
		if got != tt.want {
			t.Errorf("%q: got %v, want %v", tt.accept, got, tt.want)
		}
	}
	if m, err := negotiate([]string{"application/json"}, rootMedia); err != nil || m != mediaOpenAPI {
		t.Errorf("root: %v %v", m, err)
	}
}
