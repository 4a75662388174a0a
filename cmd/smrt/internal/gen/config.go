package gen

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Config is what smrt.yaml says: only what the database and the structs do not.
type Config struct {
	Models      string   `yaml:"models"`      // directory of the package with the structs
	Out         string   `yaml:"out"`         // directory of the package that is written
	Migrations  string   `yaml:"migrations"`  // directory of goose's migrations
	Schemas     []string `yaml:"schemas"`     // default: all but the system's
	Skip        []string `yaml:"skip"`        // tables that are not declared, with * for any text
	Initialisms []string `yaml:"initialisms"` // words that are written in capitals

	Rules  toggle                 `yaml:"rules"` // false: no rules for values
	Roles  RoleNames              `yaml:"roles"`
	Types  map[string]string      `yaml:"types"` // Go type for a type of the database, in structs that are written
	Enums  map[string]EnumConfig  `yaml:"enums"`
	Tables map[string]TableConfig `yaml:"tables"`
}

// RoleNames are the columns that have a role in every table that has them.
type RoleNames struct {
	SoftDelete []string `yaml:"soft_delete"`
	CreatedAt  []string `yaml:"created_at"`
	UpdatedAt  []string `yaml:"updated_at"`
	Version    []string `yaml:"version"`
	Tenant     []string `yaml:"tenant"` // default: none, and a note where a column may be one
}

// toggle is on unless it is said to be off.
type toggle struct{ said *bool }

// UnmarshalYAML implements yaml.Unmarshaler.
func (t *toggle) UnmarshalYAML(node *yaml.Node) error { return node.Decode(&t.said) }

func (t toggle) off() bool { return t.said != nil && !*t.said }

// EnumConfig is of an enum.
type EnumConfig struct {
	Name   string            `yaml:"name"`
	Labels map[string]string `yaml:"labels"` // names of constants
}

// TableConfig is of a table or a view. Of a role, "-" is no column.
type TableConfig struct {
	Skip       bool                      `yaml:"skip"`
	Name       string                    `yaml:"name"`
	Struct     string                    `yaml:"struct"`
	Key        []string                  `yaml:"key"`
	KeyType    string                    `yaml:"key_type"`
	SoftDelete string                    `yaml:"soft_delete"`
	CreatedAt  string                    `yaml:"created_at"`
	UpdatedAt  string                    `yaml:"updated_at"`
	Version    string                    `yaml:"version"`
	Tenant     string                    `yaml:"tenant"`
	Default    []string                  `yaml:"default"`
	Rules      toggle                    `yaml:"rules"`
	ReadBack   []string                  `yaml:"read_back"`
	Search     map[string]string         `yaml:"search"` // text search configurations of columns
	Columns    map[string]ColumnConfig   `yaml:"columns"`
	Relations  map[string]RelationConfig `yaml:"relations"` // by the name of the foreign key
}

// ColumnConfig is of a field of a struct that is written.
type ColumnConfig struct {
	Field   string `yaml:"field"`
	Type    string `yaml:"type"`
	NotNull bool   `yaml:"not_null"`
}

// RelationConfig names the relations of a foreign key; "-" declares none.
type RelationConfig struct {
	One     string `yaml:"one"`     // from the table with the foreign key
	Many    string `yaml:"many"`    // to it
	Through string `yaml:"through"` // of a join table: from the table that this foreign key references
}

// ParseConfig reads smrt.yaml. A word that it does not know is an error.
func ParseConfig(text []byte) (Config, error) {
	var c Config
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(&c); err != nil && !errors.Is(err, io.EOF) {
		return c, err
	}
	for _, pattern := range c.Skip {
		if _, err := path.Match(pattern, ""); err != nil {
			return c, fmt.Errorf("skip: %q: %w", pattern, err)
		}
	}
	return c, nil
}

// skips reports whether a table is not to be declared.
func (c *Config) skips(name string) bool {
	if c.Tables[name].Skip {
		return true
	}
	return slices.ContainsFunc(c.Skip, func(pattern string) bool {
		ok, _ := path.Match(pattern, name)
		return ok
	})
}

// lines returns a line of configuration: a path of names and what stands there.
func lines(value string, keys ...string) string {
	var b strings.Builder
	for i, key := range keys {
		if i > 0 {
			b.WriteString("{")
		}
		b.WriteString(yamlKey(key) + ": ")
	}
	return b.String() + value + strings.Repeat("}", len(keys)-1)
}

// yamlKey returns a text as it stands in a line of configuration.
func yamlKey(text string) string {
	plain := text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		return r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
	if plain && !slices.Contains([]string{"y", "n", "yes", "no", "on", "off", "true", "false", "null"}, strings.ToLower(text)) {
		return text
	}
	var node yaml.Node
	node.SetString(text)
	node.Style = yaml.DoubleQuotedStyle
	quoted, err := yaml.Marshal(&node)
	if err != nil {
		return text
	}
	return strings.TrimSpace(string(quoted))
}
