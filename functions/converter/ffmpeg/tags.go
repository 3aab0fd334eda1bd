package ffmpeg

import (
	"cmp"
	"slices"
	"strings"

	"mp3converter/shared/conversion"
)

// tagNames are the tags that are copied from the video to the MP3, in ffmpeg's
// spelling. Other tags describe the video, not its audio.
var tagNames = []string{"title", "artist", "album", "album_artist", "composer", "genre", "date", "track", "disc", "comment", "copyright", "language"}

// maxTag limits the length of a tag in bytes.
const maxTag = 1000

type tag struct{ name, value string }

// mp3Tags returns the tags of the MP3. The user's options take precedence over
// the tags of the audio track, then those of the file; for the title, the file comes
// before the track, and the given title last.
func (p *probe) mp3Tags(o conversion.Options, title string) []tag {
	values := map[string]string{"title": title}
	for _, source := range []map[string]string{p.Format.Tags, p.audio.Tags} {
		for name, v := range source {
			name, v = strings.ToLower(name), tagText.Replace(v)
			if strings.TrimSpace(v) != "" && (name != "title" || values[name] == title) {
				values[name] = v
			}
		}
	}
	for name, v := range map[string]string{"title": o.Title, "artist": o.Artist, "album": o.Album, "comment": o.Comment} {
		values[name] = cmp.Or(v, values[name])
	}
	var tags []tag
	for _, name := range tagNames {
		if v := clip(values[name]); v != "" && (name != "language" || v != "und") {
			tags = append(tags, tag{name, v})
		}
	}
	return tags
}

// tagText replaces the control characters that ffmpeg's stream dump cannot
// show, so that a tag is the same whether it was read from there or by ffprobe.
var tagText = strings.NewReplacer("\r", " ", "\b", "", "\v", "", "\f", "")

// tagArgs returns the arguments of ffmpeg that write the tags.
func (p *plan) tagArgs(title string) []string {
	args := []string{"-map_metadata:g", "-1", "-map_metadata:s", "-1"}
	for _, t := range p.mp3Tags(p.options, title) {
		args = append(args, "-metadata", t.name+"="+t.value)
	}
	if p.options.NoChapters {
		args = append(args, "-map_chapters", "-1")
	}
	return args
}

// ffmetadata returns the tags in ffmpeg's metadata format. Values must not
// contain line ends or backslashes.
func ffmetadata(tags []tag) []byte {
	b := []byte(";FFMETADATA1\n")
	for _, t := range tags {
		b = append(append(b, t.name...), '=')
		for _, c := range []byte(t.value) {
			if slices.Contains([]byte("=;#"), c) {
				b = append(b, '\\')
			}
			b = append(b, c)
		}
		b = append(b, '\n')
	}
	return b
}

// clip makes a tag of an untrusted file valid and short enough to store.
func clip(v string) string {
	v = strings.TrimSpace(strings.ReplaceAll(strings.ToValidUTF8(v, ""), "\x00", ""))
	if len(v) > maxTag {
		v = strings.ToValidUTF8(v[:maxTag], "")
	}
	return v
}
