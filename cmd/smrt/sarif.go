package main

import (
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/smrt-go/smrt/analyze"
	"github.com/smrt-go/smrt/schema"
)

// Where what is printed as SARIF says that it comes from.
const (
	toolName = "smrt analyze"
	toolURI  = "https://github.com/smrt-go/smrt/blob/main/docs/guides/tuning.md"
)

// levels are those of SARIF.
var levels = map[schema.Level]string{schema.Note: "note", schema.Warning: "warning", schema.Fault: "error"}

// writeSARIF prints findings for code review. Those that are accepted are there too, as
// suppressed: what reads them would take them for mended otherwise.
func writeSARIF(out io.Writer, r analyzeReport) error {
	files, err := goFiles(".")
	if err != nil {
		return err
	}
	run := sarif.NewRunWithInformationURI(toolName, toolURI)
	for _, f := range r.Findings {
		run.AddResult(result(run, f, files))
	}
	for _, f := range r.Accepted {
		run.AddResult(result(run, f, files).AddSuppression(sarif.NewSuppression().WithKind("external")))
	}
	report := sarif.NewReport().AddRun(run)
	return report.PrettyWrite(out)
}

// result returns a finding as SARIF, and adds its rule to the run. The fingerprint is that
// of a baseline, so that a finding is the same one when its line moves.
func result(run *sarif.Run, f analyze.Finding, files []string) *sarif.Result {
	rule := run.AddRule(f.ID)
	rule.WithName(f.Name()).WithShortDescription(sarif.NewMultiformatMessageString().WithText(f.Name()))
	lines := []string{f.Name() + ": " + f.Object, f.Evidence, f.Follows}
	if f.SQL != "" {
		lines = append(lines, "In the database: "+f.SQL)
	}
	if f.Go != "" {
		lines = append(lines, "In the program: "+f.Go)
	}
	at := sarif.NewLocation().AddLogicalLocation(sarif.NewLogicalLocation().WithFullyQualifiedName(f.Object))
	if file, line := locate(f.Site, files); file != "" {
		at.WithPhysicalLocation(sarif.NewPhysicalLocation().
			WithArtifactLocation(sarif.NewSimpleArtifactLocation(file)).
			WithRegion(sarif.NewRegion().WithStartLine(line)))
	}
	return sarif.NewRuleResult(f.ID).WithRuleIndex(run.GetRuleIndex(f.ID)).WithLevel(levels[f.Level]).
		WithMessage(sarif.NewTextMessage(strings.Join(lines, "\n"))).
		WithPartialFingerprints(map[string]string{"smrt/v1": f.ID + " " + f.Object}).
		AddLocation(at)
}

// goFiles returns the Go files below a directory, relative to it, with slashes.
func goFiles(dir string) (files []string, err error) {
	err = fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil // a directory that may not be read has no file that a review shows
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" || d.Name() == "vendor"):
			return fs.SkipDir
		case path.Ext(name) == ".go":
			files = append(files, name)
		}
		return nil
	})
	return files, err
}

// locate returns the file of a site, relative to the working directory, and its line. The
// site may have only the last directory, as those of declarations, or a path of another
// machine. So it is the file that has the most of its path, and at least its last directory
// and its name; "" if there is none, or if there are several.
func locate(site string, files []string) (file string, line int) {
	at := strings.LastIndexByte(site, ':')
	if at < 0 {
		return "", 0
	}
	name := path.Clean(filepath.ToSlash(site[:at]))
	line, err := strconv.Atoi(site[at+1:])
	if err != nil || line < 1 {
		return "", 0
	}
	if slices.Contains(files, name) {
		return name, line
	}
	most := 1
	for _, f := range files {
		switch n := common(name, f); {
		case n > most:
			file, most = f, n
		case n == most && n > 1:
			file = ""
		}
	}
	return file, line
}

// common returns how many elements two paths have in common at their ends.
func common(a, b string) (n int) {
	as, bs := strings.Split(a, "/"), strings.Split(b, "/")
	for n < min(len(as), len(bs)) && as[len(as)-1-n] == bs[len(bs)-1-n] {
		n++
	}
	return n
}
