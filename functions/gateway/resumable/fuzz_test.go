package resumable

import (
	"errors"
	"maps"
	"testing"

	tusd "github.com/tus/tusd/v2/pkg/handler"

	"mp3converter/shared/problem"
)

// What parseMetadata accepts, tusd and other servers parse in the same way.
func FuzzMetadata(f *testing.F) {
	for _, s := range []string{"", "filename aG9saWRheS5tcDQ=", "a aGFsbG8=,b,c ", "a b c", " a aGFsbG8= , b", "a aGFsbG8=,a aGFsbG8=", ",", "a =="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		got, err := parseMetadata(header)
		if err != nil {
			checkRefusal(t, err)
			return
		}
		if want := tusd.ParseMetadataHeader(header); !maps.Equal(got, want) {
			t.Errorf("%q: %q, tusd %q", header, got, want)
		}
	})
}

func FuzzChecksum(f *testing.F) {
	for _, s := range []string{"", "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=", "crc32 AAAAAA==", "md5", "sha1  AAAA", "sha256 AAAA"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		c, err := parseChecksum(header)
		switch {
		case err != nil:
			checkRefusal(t, err)
		case header == "" && c != nil, header != "" && len(c.want) != c.hash.Size():
			t.Errorf("%q is accepted", header)
		}
	})
}

func checkRefusal(t *testing.T, err error) {
	t.Helper()
	var p *problem.Error
	if !errors.As(err, &p) || p.Kind != problem.BadUpload {
		t.Errorf("%v, want %v", err, problem.BadUpload)
	}
}
