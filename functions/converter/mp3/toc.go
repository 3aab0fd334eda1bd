package mp3

// TOCBuilder builds the seek table of a stream whose number of frames is not known
// yet. Its memory is bounded: when it has tocPoints offsets, it drops every second one.
// The zero value is ready to use.
type TOCBuilder struct {
	points []int64 // offset of every stride-th frame
	stride int64
	frames int64
	bytes  int64
}

const tocPoints = 8192

// Add appends an audio frame of size bytes.
func (t *TOCBuilder) Add(size int) {
	t.stride = max(t.stride, 1)
	if t.frames%t.stride == 0 {
		if len(t.points) == tocPoints {
			for i := range tocPoints / 2 {
				t.points[i] = t.points[2*i]
			}
			t.points = t.points[:tocPoints/2]
			t.stride *= 2
		}
		if t.frames%t.stride == 0 {
			t.points = append(t.points, t.bytes)
		}
	}
	t.frames++
	t.bytes += int64(size)
}

// Frames is the number of frames added.
func (t *TOCBuilder) Frames() int64 { return t.frames }

// Bytes is the total size of the frames added.
func (t *TOCBuilder) Bytes() int64 { return t.bytes }

// Table returns, for every hundredth of the playing time, the position in the
// stream in 256ths. xingSize is the size of the Xing frame before the audio frames.
func (t *TOCBuilder) Table(xingSize int) (toc [100]byte) {
	total := t.bytes + int64(xingSize)
	for i := range toc {
		if len(t.points) == 0 || total == 0 {
			break
		}
		point := min(t.frames*int64(i)/100/t.stride, int64(len(t.points)-1))
		at := t.points[point] + int64(xingSize)
		if i == 0 {
			at = 0
		}
		toc[i] = byte(min(at*256/total, 255))
	}
	return toc
}
