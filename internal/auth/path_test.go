package auth

import (
	"slices"
	"strings"
	"testing"
)

func TestPath(t *testing.T) {
	claims, err := decodeObject([]byte(`{
		"role": "plain", "n": 7, "null": null, "obj": {"a": true},
		"https://example.org/roles": ["first", "second"],
		"realm_access": {"roles": ["offline_access", "vigil:admin", "vigil:auditor", 5]},
		"a.b": {"c d": "quoted"}, "it's": "apostrophe", "wlcg": {"groups": ["/ops/admin", "/ops"]},
		"deep": [["x"], [["y"]]]
	}`))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"":                                 "plain",
		".role":                            "plain",
		`."role"`:                          "plain",
		"$.role":                           "plain",
		"$['role']":                        "plain",
		`["role"]`:                         "plain",
		".missing":                         "",
		".role.deeper":                     "",
		".null":                            "",
		".n":                               "7",
		".obj":                             `{"a":true}`,
		`."https://example.org/roles"`:     "first second",
		`."https://example.org/roles"[0]`:  "first",
		`."https://example.org/roles"[-1]`: "second",
		`."https://example.org/roles"[2]`:  "",
		".realm_access.roles":              "offline_access vigil:admin vigil:auditor",
		`.realm_access.roles[?(@ == "vigil:admin")]`:    "vigil:admin",
		`.realm_access.roles[?(@=="vigil:admin")]`:      "vigil:admin",
		`$.realm_access.roles[?@ == 'vigil:admin']`:     "vigil:admin",
		`.realm_access.roles[?(@ != "offline_access")]`: "vigil:admin vigil:auditor",
		`.realm_access.roles[?(@ ^== "vigil:")]`:        "vigil:admin vigil:auditor",
		`.realm_access.roles[?(@ ^== "vigil:")][6:]`:    "admin auditor",
		`.realm_access.roles[?(@ ==^ "auditor")]`:       "vigil:auditor",
		`.realm_access.roles[?(@ *== "l:a")]`:           "vigil:admin vigil:auditor",
		`.realm_access.roles[?(@ == "none")]`:           "",
		`.wlcg.groups[0][1:]`:                           "ops/admin",
		`.wlcg.groups[0][-5:]`:                          "admin",
		`.wlcg.groups[0][1:4]`:                          "ops",
		`.wlcg.groups[0][:-6]`:                          "/ops",
		`.wlcg.groups[0][4:2]`:                          "",
		`."a.b"."c d"`:                                  "quoted",
		`."it's"`:                                       "apostrophe",
		".deep[0]":                                      "x",
		".deep[1][0][0]":                                "y",
	} {
		p, err := ParsePath(path)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := strings.Join(p.Find(claims), " "); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	for _, bad := range []string{
		"role", ".", "$", "..role", ".role.", `."role`, ".ro-le", ".a b", "[0]", ".a[", ".a[]", ".a[x]", ".a[+1]", ".a[1", ".a[1234567]", ".a[-]",
		".a[?]", `.a[?(@ == "x"]`, `.a[?(@ = "x")]`, `.a[?(@ == x)]`, `.a[?(b == "x")]`, `.a[?(@ == "x)]`, ".a['x]", ".a['x'", ".a[1:x]", ".ä",
	} {
		if p, err := ParsePath(bad); err == nil {
			t.Errorf("%s is read as %s", bad, p)
		}
	}
}

func FuzzPath(f *testing.F) {
	for _, s := range []string{".role", `."a b"[0].c`, `.roles[?(@ ^== "x")][1:-1]`, `$['it"s'][?@ != "y"]`} {
		f.Add(s, `{"role":"r","roles":["x1","y"],"a b":[{"c":"d"}]}`)
	}
	f.Fuzz(func(t *testing.T, s, doc string) {
		p, err := ParsePath(s)
		if err != nil {
			return
		}
		again, err := ParsePath(p.String())
		if err != nil || again.String() != p.String() {
			t.Fatalf("%q is printed as %q, which is read as %v, %v", s, p, again, err)
		}
		claims, err := decodeObject([]byte(doc))
		if err != nil {
			return
		}
		if got, twice := p.Find(claims), again.Find(claims); !slices.Equal(got, twice) {
			t.Fatalf("%q finds %q, printed %q", s, got, twice)
		}
	})
}
