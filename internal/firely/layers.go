package firely

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// The settings files, each over the one before. The last name of the audit log's
// is how Firely's page about VONK_PATH_TO_SETTINGS spells it.
var (
	logFiles = []string{"audit.logsettings.default.json", "audit.logsettings.json", "audit.logsettings.instance.json", "auditlogsettings.instance.json"}
	appFiles = []string{"appsettings.default.json", "appsettings.json", "appsettings.instance.json"}
)

const (
	logPrefix = "VONKAUDITLOG_"
	appPrefix = "VONK_"
)

// layers reads the files that are there, then the variables with the prefix.
// found are the names of the files that there were.
func layers(dir fs.FS, files []string, prefix string, environ []string) (root *node, found []string, err error) {
	root = &node{null: true}
	for _, name := range files {
		text, err := fs.ReadFile(dir, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("read the settings of Firely Server: %w", err)
		}
		n, err := parseJSON(name, text)
		if err != nil {
			return nil, nil, err
		}
		root.merge(n)
		found = append(found, name)
	}
	// Variables have no order; sorted, an error is always the same one.
	for _, v := range slices.Sorted(slices.Values(environ)) {
		name, value, _ := strings.Cut(v, "=")
		if len(name) <= len(prefix) || !strings.EqualFold(name[:len(prefix)], prefix) {
			continue
		}
		n, at := root, name+" in the environment"
		for part := range strings.SplitSeq(strings.ReplaceAll(name[len(prefix):], "__", ":"), ":") {
			n = n.make(part, at)
		}
		n.value, n.null = value, false
	}
	return root, found, nil
}
