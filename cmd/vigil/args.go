package main

import (
	"strings"

	"github.com/alecthomas/kong"

	"vigil/internal/config"
)

// rewrite puts arguments into the form that is parsed: "help COMMAND" becomes
// "COMMAND --help", and to commands that read the configuration "--NAME VALUE"
// of any setting becomes "--set NAME=VALUE".
func rewrite(parser *kong.Kong, args []string) []string {
	if len(args) == 0 {
		return args
	}
	if args[0] == "help" {
		return append(args[1:len(args):len(args)], "--help")
	}
	own := map[string]bool{}
	for _, command := range parser.Model.Children {
		if command.Name == args[0] {
			for _, f := range command.Flags {
				own[f.Name] = true
			}
		}
	}
	if !own["set"] {
		return args
	}
	settings := config.Flags()
	var out []string
	for i := 0; i < len(args); i++ {
		name, value, given := strings.Cut(strings.TrimPrefix(args[i], "--"), "=")
		switch _, is := settings[name]; {
		case args[i] == "--":
			return append(out, args[i:]...)
		case !strings.HasPrefix(args[i], "--") || !is || own[name]:
			out = append(out, args[i])
			continue
		case !given && i+1 < len(args):
			i++
			value = args[i]
		case !given:
			out = append(out, args[i]) // the parser says that it is not right
			continue
		}
		out = append(out, "--set", name+"="+value)
	}
	return out
}
