package query_test

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/query"
)

type (
	caption string
	volume  int16

	// inner is embedded, so that its fields lie at an offset of their own.
	inner struct {
		Title caption
		Level *volume
	}

	// sample has a field of each shape that rules take.
	sample struct {
		ID    int64
		Name  string
		Note  *string
		Text  pgtype.Text
		Small int8
		Count uint16
		Price int64
		Ratio float64
		Share *float32
		Wait  time.Duration
		At    time.Time
		Seen  *time.Time
		Due   pgtype.Timestamptz
		Local pgtype.Timestamp
		Born  pgtype.Date
		Rank  pgtype.Int4
		Score pgtype.Float8
		Total pgtype.Numeric
		Bytes []byte
		Tags  []string
		inner
	}
)

var (
	sampleName  = query.TextCol(func(s *sample) *string { return &s.Name })
	sampleNote  = query.NullTextCol(func(s *sample) **string { return &s.Note })
	sampleText  = query.TextCol(func(s *sample) *pgtype.Text { return &s.Text })
	sampleSmall = query.Col(func(s *sample) *int8 { return &s.Small })
	sampleCount = query.Col(func(s *sample) *uint16 { return &s.Count })
	samplePrice = query.Col(func(s *sample) *int64 { return &s.Price })
	sampleRatio = query.Col(func(s *sample) *float64 { return &s.Ratio })
	sampleShare = query.NullCol(func(s *sample) **float32 { return &s.Share })
	sampleWait  = query.Col(func(s *sample) *time.Duration { return &s.Wait })
	sampleAt    = query.Col(func(s *sample) *time.Time { return &s.At })
	sampleSeen  = query.NullCol(func(s *sample) **time.Time { return &s.Seen })
	sampleDue   = query.Col(func(s *sample) *pgtype.Timestamptz { return &s.Due })
	sampleLocal = query.Col(func(s *sample) *pgtype.Timestamp { return &s.Local })
	sampleBorn  = query.Col(func(s *sample) *pgtype.Date { return &s.Born })
	sampleRank  = query.Col(func(s *sample) *pgtype.Int4 { return &s.Rank })
	sampleScore = query.Col(func(s *sample) *pgtype.Float8 { return &s.Score })
	sampleTotal = query.Col(func(s *sample) *pgtype.Numeric { return &s.Total })
	sampleBytes = query.Col(func(s *sample) *[]byte { return &s.Bytes })
	sampleTags  = query.ArrayCol(func(s *sample) *[]string { return &s.Tags })
	sampleTitle = query.TextCol(func(s *sample) *caption { return &s.Title })
	sampleLevel = query.NullCol(func(s *sample) **volume { return &s.Level })
)

func sampleID(s *sample) *int64 { return &s.ID }

// declaredRule returns a rule as its table has it.
func declaredRule(r query.Rule[sample]) *meta.Rule {
	return query.NewTable("samples", sampleID, query.Rules(r)).Plan().Rules[0]
}

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(err)
	}
	return t
}

func decimal(n int64, exp int32) pgtype.Numeric {
	return pgtype.Numeric{Int: big.NewInt(n), Exp: exp, Valid: true}
}

// TestValuesOfRules proves for each kind of rule, on each shape of field, which
// values keep it and which break it.
func TestValuesOfRules(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("behind", -8*3600)
	for name, c := range map[string]struct {
		rule   query.Rule[sample]
		keep   []sample
		breaks []sample
	}{
		"required pointer":    {query.Required(sampleNote), []sample{{Note: new("")}}, []sample{{}}},
		"required struct":     {query.Required(sampleText), []sample{{Text: pgtype.Text{Valid: true}}}, []sample{{Text: pgtype.Text{String: "x"}}}},
		"required bytes":      {query.Required(sampleBytes), []sample{{Bytes: []byte{}}}, []sample{{}}},
		"required array":      {query.Required(sampleTags), []sample{{Tags: []string{}}}, []sample{{}}},
		"required numeric":    {query.Required(sampleTotal), []sample{{Total: decimal(0, 0)}}, []sample{{}}},
		"not blank":           {query.NotBlank(sampleName), []sample{{Name: " x "}, {Name: "\x00"}, {Name: "\xff"}}, []sample{{}, {Name: " \t\n\u00a0\u3000"}}},
		"not blank pointer":   {query.NotBlank(sampleNote), []sample{{Note: new("x")}}, []sample{{}, {Note: new("")}, {Note: new(" ")}}},
		"not blank struct":    {query.NotBlank(sampleText), []sample{{Text: pgtype.Text{String: "x", Valid: true}}}, []sample{{}, {Text: pgtype.Text{Valid: true}}}},
		"min length":          {query.MinLength(sampleName, 2), []sample{{Name: "äö"}, {Name: "abc"}, {Name: "  "}}, []sample{{}, {Name: "a"}, {Name: "𝄞"}}},
		"max length":          {query.MaxLength(sampleName, 2), []sample{{}, {Name: "𝄞𝄞"}, {Name: "ab"}}, []sample{{Name: "abc"}, {Name: "a  "}, {Name: "äöü"}}},
		"max length of named": {query.MaxLength(sampleTitle, 1), []sample{{inner: inner{Title: "ä"}}}, []sample{{inner: inner{Title: "ää"}}}},
		"max length pointer":  {query.MaxLength(sampleNote, 1), []sample{{}, {Note: new("ä")}}, []sample{{Note: new("ab")}}},
		"matches":             {query.Matches(sampleName, regexp.MustCompile(`^[A-Z]+$`)), []sample{{Name: "ABC"}}, []sample{{}, {Name: "ABCd"}, {Name: "A\n"}}},
		"matches somewhere":   {query.Matches(sampleText, regexp.MustCompile(`\d`)), []sample{{}, {Text: pgtype.Text{String: "a1", Valid: true}}}, []sample{{Text: pgtype.Text{String: "a", Valid: true}}}},
		"one of":              {query.OneOf(sampleName, "draft", "active"), []sample{{Name: "draft"}, {Name: "active"}}, []sample{{}, {Name: "Draft"}, {Name: "draft "}}},
		"one of many": {
			query.OneOf(sampleName, "a", "b", "c", "d", "e", "f", "g", "h", "i"),
			[]sample{{Name: "a"}, {Name: "i"}},
			[]sample{{}, {Name: "j"}},
		},
		"one of integers":   {query.OneOf(sampleLevel, 1, -2), []sample{{}, {inner: inner{Level: new(volume(-2))}}}, []sample{{inner: inner{Level: new(volume(2))}}}},
		"one of unsigned":   {query.OneOf(sampleCount, 1, 65535), []sample{{Count: 65535}}, []sample{{}, {Count: 65534}}},
		"one of pgtype":     {query.OneOf(sampleRank, pgtype.Int4{Int32: 3, Valid: true}), []sample{{}, {Rank: pgtype.Int4{Int32: 3, Valid: true}}}, []sample{{Rank: pgtype.Int4{Valid: true}}}},
		"at least":          {query.AtLeast(samplePrice, 0), []sample{{}, {Price: math.MaxInt64}}, []sample{{Price: -1}, {Price: math.MinInt64}}},
		"at most small":     {query.AtMost(sampleSmall, 7), []sample{{Small: 7}, {Small: -128}}, []sample{{Small: 8}, {Small: 127}}},
		"at most unsigned":  {query.AtMost(sampleCount, 40000), []sample{{Count: 40000}}, []sample{{Count: 40001}}},
		"at least named":    {query.AtLeast(sampleLevel, -3), []sample{{}, {inner: inner{Level: new(volume(-3))}}}, []sample{{inner: inner{Level: new(volume(-4))}}}},
		"at most a while":   {query.AtMost(sampleWait, time.Hour), []sample{{Wait: time.Hour}}, []sample{{Wait: time.Hour + 1}}},
		"at least of float": {query.AtLeast(sampleRatio, 0.5), []sample{{Ratio: 0.5}, {Ratio: math.Inf(1)}}, []sample{{}, {Ratio: math.NaN()}, {Ratio: math.Inf(-1)}}},
		"at most of float":  {query.AtMost(sampleRatio, 0.5), []sample{{Ratio: 0.5}, {Ratio: math.Inf(-1)}, {Ratio: math.Copysign(0, -1)}}, []sample{{Ratio: 0.6}, {Ratio: math.NaN()}}},
		"at most of real":   {query.AtMost(sampleShare, 0.1), []sample{{}, {Share: new(float32(0.1))}}, []sample{{Share: new(float32(0.2))}, {Share: new(float32(math.NaN()))}}},
		"at least of float8": {
			query.AtLeast(sampleScore, pgtype.Float8{Float64: 1, Valid: true}),
			[]sample{{}, {Score: pgtype.Float8{Float64: 1, Valid: true}}},
			[]sample{{Score: pgtype.Float8{Valid: true}}, {Score: pgtype.Float8{Float64: math.NaN(), Valid: true}}},
		},
		"at least of time": {
			query.AtLeast(sampleAt, at("2026-01-01T00:00:00.000001Z")),
			[]sample{{At: at("2026-01-01T00:00:00.000001Z")}, {At: at("2025-12-31T16:00:00.0000019-08:00")}},
			[]sample{{}, {At: at("2026-01-01T00:00:00.000000999Z")}, {At: at("2026-01-01T08:00:00+09:00")}},
		},
		"at most of time": {
			query.AtMost(sampleSeen, at("2026-01-01T00:00:00Z")),
			[]sample{{}, {Seen: new(time.Time{})}, {Seen: new(at("2026-01-01T00:00:00.000000999Z"))}},
			[]sample{{Seen: new(at("2026-01-01T00:00:00.000001Z"))}},
		},
		"at least of timestamptz": {
			query.AtLeast(sampleDue, pgtype.Timestamptz{Time: at("2026-01-01T00:00:00Z"), Valid: true}),
			[]sample{{}, {Due: pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true}}, {Due: pgtype.Timestamptz{Time: at("2026-01-01T00:00:00Z"), Valid: true}}},
			[]sample{{Due: pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true}}, {Due: pgtype.Timestamptz{Valid: true}}},
		},
		"at most of timestamp": {
			query.AtMost(sampleLocal, pgtype.Timestamp{Time: time.Date(2026, 1, 1, 0, 0, 0, 0, zone), Valid: true}),
			[]sample{{Local: pgtype.Timestamp{Time: at("2026-01-01T00:00:00Z"), Valid: true}}},
			[]sample{{Local: pgtype.Timestamp{Time: at("2026-01-01T00:00:01Z"), Valid: true}}, {Local: pgtype.Timestamp{InfinityModifier: pgtype.Infinity, Valid: true}}},
		},
		"at most of date": {
			query.AtMost(sampleBorn, pgtype.Date{Time: at("2026-01-01T00:00:00Z"), Valid: true}),
			[]sample{{}, {Born: pgtype.Date{Time: time.Date(2026, 1, 1, 23, 0, 0, 0, zone), Valid: true}}},
			[]sample{{Born: pgtype.Date{Time: at("2026-01-02T00:00:00Z"), Valid: true}}},
		},
		"at least of numeric": {
			query.AtLeast(sampleTotal, decimal(125, -1)),
			[]sample{{}, {Total: decimal(12500, -3)}, {Total: decimal(1, 2)}, {Total: decimal(1, math.MaxInt32)}, {Total: pgtype.Numeric{InfinityModifier: pgtype.Infinity, Valid: true}}},
			[]sample{
				{Total: decimal(12499, -3)},
				{Total: decimal(0, 5)},
				{Total: decimal(-1, math.MaxInt32)},
				{Total: decimal(1, math.MinInt32)},
				{Total: pgtype.Numeric{NaN: true, Valid: true}},
				{Total: pgtype.Numeric{Valid: true}},
				{Total: pgtype.Numeric{InfinityModifier: pgtype.NegativeInfinity, Valid: true}},
			},
		},
		"at most of numeric": {
			query.AtMost(sampleTotal, decimal(-5, 0)),
			[]sample{{Total: decimal(-51, -1)}, {Total: decimal(-5, 0)}, {Total: decimal(-1, 100)}},
			[]sample{{Total: decimal(-49, -1)}, {Total: pgtype.Numeric{NaN: true, Valid: true}}},
		},
		"function": {query.RuleFunc("odd", func(s *sample) bool { return s.Price%2 == 1 }), []sample{{Price: 1}}, []sample{{}}},
	} {
		t.Run(name, func(t *testing.T) {
			r := declaredRule(c.rule).Test()
			for i := range c.keep {
				check.Same(t, fmt.Sprintf("value %d that keeps it: broken", i), r.BrokenBy(unsafe.Pointer(&c.keep[i])), false)
			}
			for i := range c.breaks {
				check.Same(t, fmt.Sprintf("value %d that breaks it: broken", i), r.BrokenBy(unsafe.Pointer(&c.breaks[i])), true)
			}
		})
	}
}

// TestRulesAgainstAnOracle compares rules on random entities with what plain Go
// says of them.
func TestRulesAgainstAnOracle(t *testing.T) {
	t.Parallel()
	random := check.Random(t)
	words := []string{"", " ", "a", "ä", "ab", "äö", "abc", "\u3000", "\xff\xff\xff", "a b", "ABC", "abcdefghij"}
	word := func() string { return words[random.IntN(len(words))] }
	for range 3000 {
		least, n, list := random.Int64N(9)-4, 1+random.IntN(4), words[:1+random.IntN(len(words))]
		limit := decimal(random.Int64N(2000)-1000, int32(random.IntN(7)-3))
		s := sample{Name: word(), Price: random.Int64N(11) - 5, Ratio: float64(random.IntN(5)), Total: randomNumeric(random)}
		if random.IntN(2) > 0 {
			s.Note, s.Text = new(word()), pgtype.Text{String: word(), Valid: random.IntN(2) > 0}
		}
		null := s.Note == nil
		for what, c := range map[string]struct {
			rule query.Rule[sample]
			keep bool
		}{
			"required":  {query.Required(sampleNote), !null},
			"not blank": {query.NotBlank(sampleNote), !null && strings.TrimSpace(*s.Note) != ""},
			"valid":     {query.Required(sampleText), s.Text.Valid},
			"min":       {query.MinLength(sampleNote, n), null || utf8.RuneCountInString(*s.Note) >= n},
			"max":       {query.MaxLength(sampleName, n), utf8.RuneCountInString(s.Name) <= n},
			"of struct": {query.MaxLength(sampleText, n), !s.Text.Valid || utf8.RuneCountInString(s.Text.String) <= n},
			"one of":    {query.OneOf(sampleName, list...), slices.Contains(list, s.Name)},
			"at least":  {query.AtLeast(samplePrice, least), s.Price >= least},
			"at most":   {query.AtMost(samplePrice, least), s.Price <= least},
			"float":     {query.AtMost(sampleRatio, float64(least)), s.Ratio <= float64(least)},
			"numeric":   {query.AtLeast(sampleTotal, limit), !s.Total.Valid || rational(s.Total).Cmp(rational(limit)) >= 0},
			"numeric 2": {query.AtMost(sampleTotal, limit), !s.Total.Valid || rational(s.Total).Cmp(rational(limit)) <= 0},
		} {
			r := declaredRule(c.rule).Test()
			if broken := r.BrokenBy(unsafe.Pointer(&s)); broken == c.keep {
				t.Fatalf("%s: broken %v of %+v (least %d, n %d, list %q, limit %v)", what, broken, s, least, n, list, limit)
			}
		}
	}
}

func randomNumeric(random *rand.Rand) pgtype.Numeric {
	if random.IntN(8) == 0 {
		return pgtype.Numeric{}
	}
	return decimal(random.Int64N(200_000)-100_000, int32(random.IntN(9)-4))
}

func rational(n pgtype.Numeric) *big.Rat {
	r := new(big.Rat).SetInt(n.Int)
	power := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(n.Exp, -n.Exp))), nil))
	if n.Exp < 0 {
		return r.Quo(r, power)
	}
	return r.Mul(r, power)
}

// TestAssignedValuesOfRules proves that a value that is assigned is checked as one in
// an entity, whichever declaration of the column assigns it.
func TestAssignedValuesOfRules(t *testing.T) {
	t.Parallel()
	pointer := query.Col(func(s *sample) **string { return &s.Note })
	r := declaredRule(query.MaxLength(sampleNote, 2))
	for _, c := range []struct {
		set    query.Assignment[sample]
		broken bool
	}{
		{sampleNote.Set("ab"), false},
		{sampleNote.Set("abc"), true},
		{pointer.Set(new("ab")), false},
		{pointer.Set(new("abc")), true},
	} {
		check.Same(t, fmt.Sprint(c.set.Plan().A), r.BrokenByValue(c.set.Plan().A), c.broken)
	}
	numeric := declaredRule(query.AtLeast(sampleTotal, decimal(1, 0)))
	check.Same(t, "numeric", numeric.BrokenByValue(sampleTotal.Set(decimal(9, -1)).Plan().A), true)
	check.Same(t, "embedded", declaredRule(query.AtMost(sampleLevel, 3)).BrokenByValue(sampleLevel.Set(4).Plan().A), true)
}

// TestBadRulesPanic proves that rules that contradict the declaration, or each other,
// panic where the table is declared, and say why.
func TestBadRulesPanic(t *testing.T) {
	t.Parallel()
	var zero query.Column[sample, int64]
	holds := func(*sample) bool { return true }
	upper := regexp.MustCompile("^[A-Z]")
	table := func(options ...query.TableOption[sample]) func() {
		return func() { query.NewTable("samples", sampleID, options...) }
	}
	rules := func(rules ...query.Rule[sample]) func() { return table(query.Rules(rules...)) }
	for name, c := range map[string]struct {
		define func()
		want   string
	}{
		"a zero column":            {rules(query.AtLeast(zero, 1)), "has its zero value"},
		"a zero rule":              {rules(query.Rule[sample]{}), "has its zero value"},
		"a zero column of a func":  {rules(query.RuleFunc("f", holds, zero)), "has its zero value"},
		"never NULL":               {rules(query.Required(samplePrice)), `Required of column "price": its field is never NULL`},
		"a computed column":        {table(query.Computed(samplePrice), query.Rules(query.AtLeast(samplePrice, 0))), `column "price" is set by the database or by every write`},
		"a function of a computed": {table(query.Rules(query.RuleFunc("f", holds, samplePrice)), query.Computed(samplePrice)), `RuleFunc "f": column "price" is set`},
		"the time of change":       {table(query.UpdatedAt(func(s *sample) *time.Time { return &s.At }), query.Rules(query.AtLeast(sampleAt, time.Time{}))), `column "at" is set`},
		"the version":              {table(query.Version(func(s *sample) *int64 { return &s.Price }), query.Rules(query.AtLeast(samplePrice, 1))), `column "price" is set`},
		"a view":                   {func() { query.NewView("v", query.Rules(query.NotBlank(sampleName))) }, "a view is only read, and Rules is about writes"},
		"bounds":                   {rules(query.AtLeast(samplePrice, 2), query.AtMost(samplePrice, 1)), "nothing is at least 2 and at most 1"},
		"bounds the other way":     {rules(query.AtMost(sampleTotal, decimal(1, 0)), query.AtLeast(sampleTotal, decimal(11, -1))), "nothing is at least 1.1 and at most 1"},
		"lengths":                  {rules(query.MaxLength(sampleName, 2), query.MinLength(sampleName, 3)), "nothing is at least 3 and at most 2"},
		"twice":                    {rules(query.AtLeast(samplePrice, 1), query.AtLeast(samplePrice, 2)), `AtLeast of column "price": the rule is given twice`},
		"twice in two options":     {table(query.Rules(query.NotBlank(sampleName)), query.Rules(query.NotBlank(sampleName))), "the rule is given twice"},
		"one pattern twice":        {rules(query.Matches(sampleName, upper), query.Matches(sampleName, regexp.MustCompile("^[A-Z]"))), "the rule is given twice"},
		"one name twice":           {rules(query.RuleFunc("f", holds), query.RuleFunc("f", holds)), `RuleFunc "f": the name is given twice`},
		"required and not blank":   {rules(query.Required(sampleNote), query.NotBlank(sampleNote)), "NotBlank includes Required"},
		"no length":                {rules(query.MaxLength(sampleName, 0)), "a length is at least 1, not 0"},
		"no name":                  {rules(query.RuleFunc("", holds)), "it has no name"},
		"the name of a kind":       {rules(query.RuleFunc("max_length", holds)), "choose another one"},
		"no function":              {rules(query.RuleFunc[sample]("f", nil)), "the function is nil"},
		"no pattern":               {rules(query.Matches(sampleName, nil)), "the regular expression is nil"},
		"no values":                {rules(query.OneOf(sampleName)), "it names no value"},
		"a value twice":            {rules(query.OneOf(sampleName, "a", "a")), `it names "a" twice`},
		"a NULL":                   {rules(query.OneOf(sampleText, pgtype.Text{})), "NULL is none of the values"},
		"a value too long":         {rules(query.MaxLength(sampleName, 2), query.OneOf(sampleName, "ab", "abc")), "OneOf allows a value that MaxLength refuses"},
		"a value too long, before": {rules(query.OneOf(sampleName, "abc"), query.MaxLength(sampleName, 2)), "OneOf allows a value that MaxLength refuses"},
		"a NaN":                    {rules(query.AtLeast(sampleRatio, math.NaN())), "the limit must be a finite value"},
		"infinite":                 {rules(query.AtLeast(sampleDue, pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true})), "the limit must be a finite value"},
		"a limit that is NULL":     {rules(query.AtMost(sampleRank, pgtype.Int4{})), "the limit must be a finite value"},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if text := fmt.Sprint(recover()); !strings.HasPrefix(text, "smrt: table ") || !strings.Contains(text, c.want) {
					t.Errorf("panic %q, want %q", text, c.want)
				}
			}()
			c.define()
		})
	}
}

// TestRulesAreListed proves that a table lists its rules as plain data.
func TestRulesAreListed(t *testing.T) {
	t.Parallel()
	shared := query.MaxLength(sampleName, 80)
	table := query.NewTable("samples", sampleID, query.Rules(
		shared, query.AtLeast(sampleLevel, -3), query.OneOf(sampleCount, 1, 2), query.AtMost(sampleWait, 90*time.Minute),
		query.AtLeast(sampleRatio, 1e6), query.AtMost(sampleShare, 0.1), query.AtMost(sampleTotal, decimal(12345, -2)), query.AtLeast(sampleAt, at("2026-01-01T00:00:00Z")),
		query.Matches(sampleName, regexp.MustCompile("^a")), query.Matches(sampleName, regexp.MustCompile("b$")), query.NotBlank(sampleNote),
		query.RuleFunc("f", func(*sample) bool { return true }, sampleName, samplePrice)))
	query.NewTable("others", sampleID, query.Rules(shared)) // in another table
	got := ""
	for _, r := range table.Plan().Rules {
		got += fmt.Sprintf("%s %s", r.Kind, r.Name)
		for _, c := range r.Columns {
			got += " " + c.Name
		}
		for _, limit := range r.Limits {
			got += fmt.Sprintf(" %T", limit)
		}
		got += " " + r.Limit + "\n"
	}
	check.Same(t, "rules", got, `max_length max_length name int 80
at_least at_least level int64 -3
one_of one_of count uint64 uint64 1, 2
at_most at_most wait time.Duration 1h30m0s
at_least at_least ratio float64 1000000
at_most at_most share float64 0.1
at_most at_most total pgtype.Numeric 123.45
at_least at_least at time.Time 2026-01-01T00:00:00Z
matches matches name string ^a
matches matches name string b$
not_blank not_blank note `+`
func f name price `+`
`)
}
