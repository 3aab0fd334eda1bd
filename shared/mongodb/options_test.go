package mongodb

import "testing"

func TestMaxConnections(t *testing.T) {
	for uri, want := range map[string]uint64{
		"mongodb://localhost":                  maxConnections,
		"mongodb://localhost/?maxPoolSize=200": 200,
	} {
		if got := clientOptions(uri).MaxPoolSize; got == nil || *got != want {
			t.Errorf("%s: maxPoolSize %v, want %d", uri, got, want)
		}
	}
}
