package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// completionCommand is smrt completion.
type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help says how the script is used.
func (completionCommand) Help() string {
	return `bash: source <(smrt completion bash)
zsh:  source <(smrt completion zsh)
fish: smrt completion fish | source`
}

// Run prints the script.
func (c *completionCommand) Run(r *report, parser *kong.Kong) error {
	r.printf("%s", completion(c.Shell, parser.Model))
	return nil
}

// completion returns the script for a shell.
func completion(shell string, app *kong.Application) string {
	var names []string
	flags := map[string][]*kong.Flag{"": app.Flags}
	for _, command := range app.Children {
		names = append(names, command.Name)
		flags[command.Name] = append(flagsOf(command), app.Flags...)
	}
	var b strings.Builder
	switch shell {
	case "fish":
		fmt.Fprintf(&b, "complete -c %s -f\n", app.Name)
		for _, command := range app.Children {
			fmt.Fprintf(&b, "complete -c %s -n __fish_use_subcommand -a %s -d %s\n", app.Name, command.Name, quote(command.Help))
			for _, f := range flags[command.Name] {
				fmt.Fprintf(&b, "complete -c %s -n '__fish_seen_subcommand_from %s' -l %s -d %s%s\n", app.Name, command.Name, f.Name, quote(f.Help), argument(f))
			}
			for _, value := range values(command) {
				fmt.Fprintf(&b, "complete -c %s -n '__fish_seen_subcommand_from %s' -a %s\n", app.Name, command.Name, value)
			}
		}
		return b.String()
	case "zsh":
		b.WriteString("autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n")
	}
	fmt.Fprintf(&b, "_%s() {\n\tlocal known=%s\n\tcase \"${COMP_WORDS[1]}\" in\n", app.Name, quote(strings.Join(names, " ")))
	for _, command := range app.Children {
		words := values(command)
		for _, f := range flags[command.Name] {
			words = append(words, "--"+f.Name)
		}
		fmt.Fprintf(&b, "\t%s) [ \"$COMP_CWORD\" -gt 1 ] && known=%s ;;\n", command.Name, quote(strings.Join(words, " ")))
	}
	fmt.Fprintf(&b, "\tesac\n\tCOMPREPLY=($(compgen -W \"$known\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n}\ncomplete -o default -F _%s %s\n", app.Name, app.Name)
	return b.String()
}

// flagsOf returns the flags of a command and of its own commands, each once.
func flagsOf(command *kong.Node) (all []*kong.Flag) {
	for _, node := range append([]*kong.Node{command}, command.Children...) {
		for _, f := range node.Flags {
			if !slices.ContainsFunc(all, func(other *kong.Flag) bool { return other.Name == f.Name }) {
				all = append(all, f)
			}
		}
	}
	return all
}

// values returns what the arguments of a command can be, of which its own commands are one.
func values(command *kong.Node) (all []string) {
	for _, child := range command.Children {
		all = append(all, child.Name)
	}
	for _, p := range command.Positional {
		all = append(all, p.EnumSlice()...)
	}
	return all
}

// argument says to fish that a flag has a value.
func argument(f *kong.Flag) string {
	if f.IsBool() {
		return ""
	}
	return " -r -F"
}

// quote returns a text as one word of a shell.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
