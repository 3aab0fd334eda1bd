package resumable

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"hash/crc32"
	"io"
	"maps"
	"slices"
	"strings"

	"mp3converter/shared/problem"
)

// algorithms are the checksums that a part may have. They find errors in transmission;
// nobody needs to be kept from forging them.
var algorithms = map[string]func() hash.Hash{
	"sha1":   sha1.New,
	"sha256": sha256.New,
	"md5":    md5.New,
	"crc32":  func() hash.Hash { return crc32.NewIEEE() },
}

func checksumAlgorithms() []string { return slices.Sorted(maps.Keys(algorithms)) }

// checksum is the checksum of a part that the client has announced.
type checksum struct {
	want []byte
	hash hash.Hash // of what has arrived
}

// parseChecksum parses the header Upload-Checksum: the name of an algorithm, a space, and
// the checksum in base64. It returns nil for an empty header.
func parseChecksum(header string) (*checksum, error) {
	if header == "" {
		return nil, nil
	}
	name, encoded, _ := strings.Cut(header, " ")
	newHash, ok := algorithms[name]
	if !ok {
		return nil, problem.BadUpload.WithDetail("Upload-Checksum must use one of %s.", strings.Join(checksumAlgorithms(), ", "))
	}
	c := &checksum{hash: newHash()}
	var err error
	if c.want, err = base64.StdEncoding.DecodeString(encoded); err != nil || len(c.want) != c.hash.Size() {
		return nil, problem.BadUpload.WithDetail("Upload-Checksum must be followed by the checksum of %d bytes in base64.", c.hash.Size())
	}
	return c, nil
}

// reader returns a reader of r that fails at its end with problem.ChecksumMismatch if the
// checksum is wrong.
func (c *checksum) reader(r io.Reader) io.Reader { return checksumReader{r, c} }

type checksumReader struct {
	io.Reader
	sum *checksum
}

func (r checksumReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.sum.hash.Write(p[:n])
	if err == io.EOF && !bytes.Equal(r.sum.hash.Sum(nil), r.sum.want) {
		err = problem.ChecksumMismatch
	}
	return n, err
}
