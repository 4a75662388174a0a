package sqltext

// Cut splits tokens behind the first statement. The semicolon that ends it is
// part of neither. A semicolon inside of parentheses, as in CREATE RULE, or
// inside of BEGIN ATOMIC and END, as in CREATE FUNCTION, ends no statement.
func Cut(tokens []Token) (first, rest []Token) {
	parens, blocks := 0, 0
	for i := range tokens {
		switch t := &tokens[i]; {
		case t.Kind == Mark:
			switch t.Text {
			case "(":
				parens++
			case ")":
				parens--
			case ";":
				if parens <= 0 && blocks == 0 {
					return tokens[:i], tokens[i+1:]
				}
			}
		case t.Is("atomic") && i > 0 && tokens[i-1].Is("begin") && tokens[0].Is("create"):
			blocks++
		case blocks > 0 && t.Is("case"):
			blocks++
		case blocks > 0 && t.Is("end"):
			blocks--
		}
	}
	return tokens, nil
}
