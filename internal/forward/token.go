package forward

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// tokenFile is a file with a token, which somebody renews.
type tokenFile struct {
	path string

	mu    sync.Mutex
	token string
	mod   time.Time
	size  int64
}

// TokenFile returns a [Config].Token that reads path, and reads it again when it
// has changed. White space around the token is left out.
func TokenFile(path string) func() (string, error) {
	f := &tokenFile{path: path}
	return f.read
}

func (f *tokenFile) read() (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	st, err := os.Stat(f.path)
	if err != nil {
		return "", fmt.Errorf("read token: %w", err)
	}
	if f.token != "" && st.ModTime().Equal(f.mod) && st.Size() == f.size {
		return f.token, nil
	}
	b, err := os.ReadFile(f.path)
	if err != nil {
		return "", fmt.Errorf("read token: %w", err)
	}
	token := strings.TrimSpace(string(b))
	if token == "" || strings.ContainsAny(token, " \t\r\n") {
		return "", errors.New("read token: " + f.path + " must hold one token and nothing else")
	}
	f.token, f.mod, f.size = token, st.ModTime(), st.Size()
	return token, nil
}
