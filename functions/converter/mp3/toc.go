package mp3

// TOCBuilder collects where frames begin, for the seek table, while the number
// of frames is not known yet. Its memory is bounded: when it has enough points
// it keeps every second one. The zero value is ready.
type TOCBuilder struct {
	points []int64 // offset of every stride-th frame
	stride int64
	frames int64
	bytes  int64
}

const tocPoints = 8192

// Add counts one music frame of size bytes.
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

// Frames and Bytes are the totals of what was added.
func (t *TOCBuilder) Frames() int64 { return t.frames }

// Bytes is the length of all frames added.
func (t *TOCBuilder) Bytes() int64 { return t.bytes }

// Table returns, for every hundredth of the playing time, the position in the
// stream in 256ths. head is the length of the Xing frame in front.
func (t *TOCBuilder) Table(head int) (toc [100]byte) {
	total := t.bytes + int64(head)
	for i := range toc {
		if len(t.points) == 0 || total == 0 {
			break
		}
		point := min(t.frames*int64(i)/100/t.stride, int64(len(t.points)-1))
		at := t.points[point] + int64(head)
		if i == 0 {
			at = 0
		}
		toc[i] = byte(min(at*256/total, 255))
	}
	return toc
}
