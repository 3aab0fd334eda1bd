package manifests

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// variable is an environment variable of a function.
type variable struct {
	defaultValue string
	required     bool
}

// variables returns the environment variables of a function: the tagged fields of the
// struct config in its package main, and of the structs of this module within it.
func variables(t *testing.T, function string) map[string]variable {
	t.Helper()
	found := map[string]variable{}
	collect(t, filepath.Join("functions", function), "config", found)
	return found
}

// collect adds the variables of a struct.
func collect(t *testing.T, dir, name string, found map[string]variable) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if fields := structOf(file, name); fields != nil {
			for _, field := range fields.List {
				collectField(t, dir, file, field, found)
			}
			return
		}
	}
	t.Fatalf("%s: no struct %s", dir, name)
}

func structOf(file *ast.File, name string) *ast.FieldList {
	for _, decl := range file.Decls {
		general, ok := decl.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range general.Specs {
			if s, ok := spec.(*ast.TypeSpec); ok && s.Name.Name == name {
				if fields, ok := s.Type.(*ast.StructType); ok {
					return fields.Fields
				}
			}
		}
	}
	return nil
}

func collectField(t *testing.T, dir string, file *ast.File, field *ast.Field, found map[string]variable) {
	t.Helper()
	if field.Tag != nil {
		text, _ := strconv.Unquote(field.Tag.Value)
		tag := reflect.StructTag(text)
		if name := tag.Get("envconfig"); name != "" {
			found[name] = variable{tag.Get("default"), tag.Get("required") == "true"}
			return
		}
	}
	switch kind := field.Type.(type) {
	case *ast.Ident:
		if kind.IsExported() {
			collect(t, dir, kind.Name, found)
		}
	case *ast.SelectorExpr:
		for _, i := range file.Imports {
			path, _ := strconv.Unquote(i.Path.Value)
			inner, ours := strings.CutPrefix(path, "mp3converter/")
			if ours && filepath.Base(inner) == kind.X.(*ast.Ident).Name {
				collect(t, inner, kind.Sel.Name, found)
			}
		}
	}
}

// runtimeVariables are variables that the Go runtime and os/exec read.
var runtimeVariables = map[string]bool{"GOMEMLIMIT": true, "GOMAXPROCS": true, "PATH": true}

func TestVariables(t *testing.T) {
	for _, f := range functions(t) {
		known := variables(t, f.function)
		set := map[string]bool{}
		for _, e := range f.container.Env {
			if set[e.Name] {
				t.Errorf("%s: %s is set twice", f.name, e.Name)
			}
			set[e.Name] = true
			if _, ok := known[e.Name]; !ok && !runtimeVariables[e.Name] {
				t.Errorf("%s: functions/%s does not read %s", f.name, f.function, e.Name)
			}
		}
		for name, v := range known {
			if v.required && !set[name] {
				t.Errorf("%s: %s is required but not set", f.name, name)
			}
		}
	}
}

// setting returns the value of a variable in the function's manifest, or its default.
func (f function) setting(t *testing.T, name string) string {
	t.Helper()
	v, ok := variables(t, f.function)[name]
	if !ok {
		t.Fatalf("functions/%s does not read %s", f.function, name)
	}
	if set := envValue(t, f.spec, name); set != "" {
		return set
	}
	return v.defaultValue
}

// The kubectl command in the comment of 130-notification.yaml must set only variables
// that exist.
func TestOptionalSecretOfNotification(t *testing.T) {
	known := variables(t, "notification")
	content, err := os.ReadFile(filepath.Join(root, "knative", "130-notification.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	shown := 0
	for _, word := range strings.Fields(string(content)) {
		if literal, ok := strings.CutPrefix(word, "--from-literal="); ok {
			name, _, _ := strings.Cut(literal, "=")
			if _, ok := known[name]; !ok {
				t.Errorf("the comment sets %s, which functions/notification does not read", name)
			}
			shown++
		}
	}
	if shown == 0 {
		t.Error("the comment contains no variable")
	}
}
