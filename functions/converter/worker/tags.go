package worker

import (
	"cmp"
	"strings"
)

// tags are carried over from the video to the MP3. Anything else that a video
// holds is about the video.
var tags = []string{"title", "artist", "album", "album_artist", "composer", "genre", "date", "track", "disc", "comment", "copyright", "language"}

// maxTag bounds the length of a tag in bytes.
const maxTag = 1000

// tagArgs are the options that write the tags: the user's wishes first, then
// what the video says, then its file name.
func (p *plan) tagArgs(title string) []string {
	values := map[string]string{"title": title}
	for _, of := range []map[string]string{p.Format.Tags, p.audio.Tags} {
		for k, v := range of {
			if k = strings.ToLower(k); strings.TrimSpace(v) != "" && (k != "title" || values[k] == title) {
				values[k] = v
			}
		}
	}
	o := p.options
	for k, wish := range map[string]string{"title": o.Title, "artist": o.Artist, "album": o.Album, "comment": o.Comment} {
		values[k] = cmp.Or(wish, values[k])
	}
	args := []string{"-map_metadata:g", "-1", "-map_metadata:s", "-1"}
	for _, k := range tags {
		v := clip(values[k])
		if v == "" || k == "language" && v == "und" {
			continue
		}
		args = append(args, "-metadata", k+"="+v)
	}
	if o.NoChapters {
		args = append(args, "-map_chapters", "-1")
	}
	return args
}

// clip makes a tag of a hostile file fit to be kept and passed on.
func clip(v string) string {
	v = strings.TrimSpace(strings.ReplaceAll(strings.ToValidUTF8(v, ""), "\x00", ""))
	if len(v) > maxTag {
		v = strings.ToValidUTF8(v[:maxTag], "")
	}
	return v
}
