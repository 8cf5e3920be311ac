package ingest

import (
	"context"
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"vigil"
	"vigil/internal/jsonb"
)

// yamlDepth is how deep YAML may be nested: deeper than anybody writes by hand.
const yamlDepth = 200

// A tree of YAML takes a hundred times the memory of its text, and no budget for
// bodies counts it: only so long a text is read, and so many at a time.
const (
	maxYAML     = 1 << 20
	yamlReaders = 2
)

// yaml returns a body of YAML as JSON, when it is its turn.
func (a *API) yaml(ctx context.Context, body []byte) ([]byte, error) {
	if len(body) > maxYAML {
		return nil, &vigil.Error{
			Kind: vigil.TooLarge, Message: "The body is too large for YAML",
			Details: "The limit is " + strconv.Itoa(maxYAML) + " bytes.", Hint: "JSON may be longer.",
		}
	}
	select {
	case a.yamlTurn <- struct{}{}:
		defer func() { <-a.yamlTurn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return yamlToJSON(body)
}

// yamlToJSON returns a document of YAML as JSON. Members keep their order;
// numbers keep their text where JSON has them, dates are texts. Aliases are
// refused: a few bytes of them can stand for a memory full.
func yamlToJSON(body []byte) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(body, &doc); err != nil {
		return nil, &vigil.Error{Kind: vigil.Invalid, Message: "The body is not YAML", Err: err}
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return nil, vigil.Errorf(vigil.Invalid, "The body is empty")
	}
	return appendYAML(make([]byte, 0, len(body)), doc.Content[0], 0)
}

func appendYAML(dst []byte, n *yaml.Node, depth int) (_ []byte, err error) {
	if depth > yamlDepth {
		return nil, vigil.Errorf(vigil.TooLarge, "The body is nested more than %d deep", yamlDepth)
	}
	if strings.Contains(n.Value, "\x00") { // as in JSON: jsonb holds none
		return nil, vigil.Errorf(vigil.Invalid, "The body has NUL in line %d, which cannot be kept", n.Line)
	}
	switch n.Kind {
	case yaml.MappingNode:
		dst = append(dst, '{')
		for i := 0; i+1 < len(n.Content); i += 2 {
			if i > 0 {
				dst = append(dst, ',')
			}
			k := n.Content[i]
			if k.Kind != yaml.ScalarNode || k.ShortTag() == "!!merge" || strings.Contains(k.Value, "\x00") {
				return nil, vigil.Errorf(vigil.Invalid, "The body has a key in line %d that is no text", k.Line)
			}
			dst = append(jsonb.AppendLineString(dst, k.Value), ':')
			if dst, err = appendYAML(dst, n.Content[i+1], depth+1); err != nil {
				return nil, err
			}
		}
		return append(dst, '}'), nil
	case yaml.SequenceNode:
		dst = append(dst, '[')
		for i, el := range n.Content {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = appendYAML(dst, el, depth+1); err != nil {
				return nil, err
			}
		}
		return append(dst, ']'), nil
	case yaml.ScalarNode:
		return appendScalar(dst, n), nil
	}
	return nil, vigil.Errorf(vigil.Invalid, "The body has an alias in line %d, which is not taken", n.Line)
}

// appendScalar appends one value: what is no null, boolean or number is text.
func appendScalar(dst []byte, n *yaml.Node) []byte {
	switch n.ShortTag() {
	case "!!null":
		return append(dst, "null"...)
	case "!!bool":
		var b bool
		if n.Decode(&b) == nil {
			return strconv.AppendBool(dst, b)
		}
	case "!!int", "!!float":
		if json.Valid([]byte(n.Value)) && n.Value != "" && n.Value[0] != '"' {
			return append(dst, n.Value...)
		}
		var i int64
		if n.Decode(&i) == nil {
			return strconv.AppendInt(dst, i, 10)
		}
		var f float64
		if n.Decode(&f) == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
			return strconv.AppendFloat(dst, f, 'g', -1, 64)
		}
	}
	return jsonb.AppendLineString(dst, n.Value)
}
