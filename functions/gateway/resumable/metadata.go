package resumable

import (
	"encoding/base64"
	"strings"

	"mp3converter/shared/problem"
)

// maxMetadata is the maximum length of the header Upload-Metadata.
const maxMetadata = 8 << 10

// parseMetadata parses the header Upload-Metadata: pairs of a key and a value in base64,
// which may be absent, separated by commas. tusd ignores pairs that are malformed; here
// they are errors, because they may be options.
func parseMetadata(header string) (map[string]string, error) {
	if len(header) > maxMetadata {
		return nil, problem.BadUpload.WithDetail("Upload-Metadata is longer than %d bytes.", maxMetadata)
	}
	metadata := make(map[string]string)
	if strings.TrimSpace(header) == "" {
		return metadata, nil
	}
	for pair := range strings.SplitSeq(header, ",") {
		key, encoded, _ := strings.Cut(strings.TrimSpace(pair), " ")
		value, err := base64.StdEncoding.DecodeString(encoded)
		_, repeated := metadata[key]
		if key == "" || err != nil || repeated {
			return nil, problem.BadUpload.WithDetail("Upload-Metadata must be pairs of a key and a value in base64, separated by commas, with each key once.")
		}
		metadata[key] = string(value)
	}
	return metadata, nil
}
