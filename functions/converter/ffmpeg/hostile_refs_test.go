package ffmpeg

import (
	"bytes"
	"encoding/base64"
	"strings"
)

// texts refer to other files or servers. FILE, URL and HOST are replaced by
// those of the canary.
var texts = map[string]string{
	"HLS of a file":         "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://FILE\n#EXT-X-ENDLIST\n",
	"HLS of a bare path":    "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nFILE\n#EXT-X-ENDLIST\n",
	"HLS of a server":       "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nURL/a.ts\n#EXT-X-ENDLIST\n",
	"HLS without end":       "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1,\nURL/a.ts\n",
	"HLS with a key":        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-KEY:METHOD=AES-128,URI=\"URL/key\",IV=0x0\n#EXTINF:1,\nfile://FILE\n#EXT-X-ENDLIST\n",
	"HLS with a map":        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MAP:URI=\"FILE\"\n#EXTINF:1,\nFILE\n#EXT-X-ENDLIST\n",
	"HLS master":            "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nURL/v.m3u8\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"a\",URI=\"URL/a.m3u8\"\n",
	"HLS by concat":         "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nconcat:FILE|FILE\n#EXT-X-ENDLIST\n",
	"HLS by subfile":        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsubfile,,start,0,end,100,,:FILE\n#EXT-X-ENDLIST\n",
	"HLS by crypto":         "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\ncrypto:file:FILE\n#EXT-X-ENDLIST\n",
	"HLS by data":           "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\ndata:audio/wav;base64,UklGRiQ=\n#EXT-X-ENDLIST\n",
	"HLS by cache":          "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\ncache:FILE\n#EXT-X-ENDLIST\n",
	"HLS by tee and pipe":   "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\npipe:0\n#EXT-X-ENDLIST\n",
	"HLS by ftp":            "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nftp://HOST/a.ts\n#EXT-X-ENDLIST\n",
	"HLS by gopher":         "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\ngopher://HOST/a.ts\n#EXT-X-ENDLIST\n",
	"HLS of itself":         "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n/dev/fd/3\n#EXT-X-ENDLIST\n",
	"HLS behind a mark":     "\xef\xbb\xbf#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nFILE\n#EXT-X-ENDLIST\n",
	"DASH":                  `<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT1S"><Period><AdaptationSet mimeType="audio/mp4"><Representation id="1" bandwidth="1"><BaseURL>URL/a.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>`,
	"DASH of a file":        `<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="dynamic"><Period><AdaptationSet mimeType="audio/mp4"><Representation id="1" bandwidth="1"><BaseURL>file://FILE</BaseURL></Representation></AdaptationSet></Period></MPD>`,
	"DASH that expands":     `<?xml version="1.0"?><!DOCTYPE MPD [<!ENTITY a SYSTEM "file://FILE"><!ENTITY b "&a;&a;">]><MPD xmlns="urn:mpeg:dash:schema:mpd:2011">&b;</MPD>`,
	"Smooth Streaming":      `<SmoothStreamingMedia Duration="10000000"><StreamIndex Type="audio" Url="URL/{bitrate}"/></SmoothStreamingMedia>`,
	"ffconcat":              "ffconcat version 1.0\nfile 'FILE'\n",
	"ffconcat of a server":  "ffconcat version 1.0\nfile URL/a.wav\n",
	"ffconcat with options": "ffconcat version 1.0\nfile 'FILE'\noption safe 0\nduration 999999999\n",
	"list for concat":       "file 'FILE'\n",
	"SDP":                   "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\na=control:rtsp://HOST/a\n",
	"M3U":                   "#EXTM3U\nFILE\nURL/a.mp3\n",
	"M3U without head":      "FILE\nURL/a.mp3\n",
	"PLS":                   "[playlist]\nFile1=URL/a.mp3\nNumberOfEntries=1\nVersion=2\n",
	"ASX":                   `<asx version="3.0"><entry><ref href="URL/a.asf"/></entry></asx>`,
	"ASX reference":         "[Reference]\r\nRef1=URL/a.asf\r\n",
	"RAM":                   "rtsp://HOST/a.rm\nURL/a.rm\n",
	"SMIL":                  `<smil><body><audio src="URL/a.mp3"/></body></smil>`,
	"XSPF":                  `<?xml version="1.0"?><playlist version="1" xmlns="http://xspf.org/ns/0/"><trackList><track><location>URL/a.mp3</location></track></trackList></playlist>`,
	"QuickTime link":        `<?xml version="1.0"?><?quicktime type="application/x-quicktime-media-link"?><embed src="URL/a.mov"/>`,
	"EDL":                   "# mpv EDL v0\nFILE,0,1\n",
	"EDL of a server":       "mpv EDL v0\n%20%URL/a.mp3,0,1\n",
	"CUE":                   "FILE \"FILE\" WAVE\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n",
	"Avisynth":              "WavSource(\"FILE\")\n",
	"VapourSynth":           "import vapoursynth as vs\nopen('FILE').read()\n",
	"lavfi":                 "amovie=FILE",
	"metadata":              ";FFMETADATA1\ntitle=amovie=FILE\n[CHAPTER]\nSTART=0\nEND=99999999999\n",
	"IMF":                   `<?xml version="1.0"?><CompositionPlaylist xmlns="http://www.smpte-ra.org/schemas/2067-3/2016"><Id>urn:uuid:0</Id></CompositionPlaylist>`,
	"subtitles":             "[Script Info]\nScriptType: v4.00+\n[Fonts]\nfontname: FILE\n[Events]\nDialogue: 0,0:00:00.00,9:59:59.99,Default,,0,0,0,,{\\fnFILE}x\n",
	"SubRip":                "1\n00:00:00,000 --> 99:59:59,999\n<font face=\"FILE\">URL</font>\n",
	"VTT":                   "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:900000\n\n00:00.000 --> 99:00:00.000\n<img src=\"URL\">\n",
	"SAMI":                  "<SAMI><BODY><SYNC Start=0><P><img src=\"URL\"></BODY></SAMI>\n",
	"endless SBaGen":        "-SE\noff: -\nall: pink/100\n0:00 == all\n24:00 == off\n",
	"Rockbox spectrum":      "RFtx<window type=\"scrollingnews\"><a href=\"URL\">x</a></window>",
	"SVG":                   `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"><image xlink:href="file://FILE"/></svg>`,
	"ImageMagick":           "push graphic-context\nviewbox 0 0 9 9\nimage over 0,0 9,9 'URL/a.png'\npop graphic-context\n",
	"options":               "-i FILE -f wav out.wav\n",
	"a shell script":        "#!/bin/sh\ncat FILE\n",
	"PHP":                   "<?php readfile('FILE'); ?>",
	"HTML":                  "<html><video src=\"URL/a.mp4\"></html>",
	"PostScript":            "%!PS\n(FILE) (r) file\n",
}

// references returns media that refer to other files or servers.
func references(c *canary) map[string][]byte {
	files := map[string][]byte{}
	for name, text := range texts {
		files[name] = c.fill(text)
	}
	hls := c.fill(texts["HLS of a file"])
	alias := func(path string) []byte {
		record := join(uint32(0), uint16(150+len(path)+8), uint16(2), uint16(0), make([]byte, 142),
			uint16(2), uint16(len(path)), path, make([]byte, len(path)%2), uint16(18), uint16(1), "/", uint8(0), uint16(0xffff), uint16(0))
		return box("alis", uint32(0), record[4:])
	}
	for name, dref := range map[string][]byte{
		"MP4 with data at a URL":             box("url ", uint32(0), c.url+"/a.raw\x00"),
		"MP4 with data in a file":            box("url ", uint32(0), "file://"+c.path+"\x00"),
		"MP4 with data by a name":            box("urn ", uint32(0), "x\x00"+c.path+"\x00"),
		"MOV with data by an absolute alias": alias(c.path),
		"MOV with data by a relative alias":  alias(strings.Repeat("../", 12) + c.path[1:]),
	} {
		files[name] = mov{dref: dref}.bytes()
	}
	reference := func(kind, to string) []byte {
		return box("rmra", box("rmda", box("rdrf", uint32(0), kind, uint32(len(to)), to)))
	}
	files["MOV that is only a reference"] = join(box("ftyp", "qt  ", uint32(0), "qt  "), box("moov", reference("url ", c.url+"/a.mov\x00")))
	files["MOV reference by alias"] = join(box("ftyp", "qt  ", uint32(0)), box("moov", reference("alis", c.path+"\x00")))
	files["MOV with sound and a reference"] = mov{moov: reference("url ", c.url+"/a.mov\x00")}.bytes()
	files["MP4 with URLs for tags"] = mov{moov: box("udta", box("meta", uint32(0),
		box("hdlr", uint64(0), "mdirappl", make([]byte, 9)),
		box("ilst",
			box("\xa9nam", box("data", uint32(1), uint32(0), "file:"+c.path)),
			box("\xa9ART", box("data", uint32(1), uint32(0), "subfile,,start,0,end,0,,:"+c.path)),
			box("\xa9cmt", box("data", uint32(1), uint32(0), "@"+c.path)),
			box("covr", box("data", uint32(13), uint32(0), c.url)))))}.bytes()

	uid := bytes.Repeat([]byte{7}, 16)
	files["MKV linked to files beside it"] = mkv{info: join(element(0x73A4, uid), element(0x3CB923, uid), element(0x3EB923, uid),
		element(0x3E83BB, c.path), element(0x7384, c.path))}.bytes()
	files["MKV with chapters of another file"] = mkv{segment: element(0x1043A770, element(0x45B9, element(0x45DD, uint8(1)),
		element(0xB6, element(0x73C4, uint8(1)), element(0x91, uint8(0)), element(0x92, uint64(1e15)), element(0x6E67, uid))))}.bytes()
	files["MKV with a playlist attached"] = mkv{segment: element(0x1941A469, element(0x61A7, element(0x466E, "../../"+c.path),
		element(0x4660, "application/vnd.apple.mpegurl"), element(0x465C, hls), element(0x46AE, uint8(1))))}.bytes()
	files["MKV with tags that are URLs"] = mkv{segment: element(0x1254C367, element(0x7373,
		element(0x67C8, element(0x45A3, "TITLE"), element(0x4487, c.path)),
		element(0x67C8, element(0x45A3, "filename"), element(0x4487, c.path)),
		element(0x67C8, element(0x45A3, "-i"), element(0x4487, c.path))))}.bytes()

	gab := func(text []byte) []byte {
		return chunk("01sb", "GAB2\x00", uint16(2), uint32(2), "x\x00", uint16(4), uint32(len(text)), text)
	}
	files["AVI with a playlist for subtitles"] = avi{subtitles: true, more: gab(hls)}.bytes()
	files["AVI with a concat list for subtitles"] = avi{subtitles: true, more: gab(c.fill(texts["ffconcat"]))}.bytes()
	files["AVI with subtitles that name a font"] = avi{subtitles: true, more: gab(c.fill(texts["subtitles"]))}.bytes()
	files["WAV and then a playlist"] = append(wav(1, 1, 8000, 16, 4000, noise(4000)), hls...)
	files["a tag of an MP3, and then a playlist"] = join(id3("TIT2", join(uint8(0), "x")), hls)
	files["a TS packet, and then a playlist"] = join(tsPacket(0, true, 0, nil), hls)
	files["an Ogg page, and then a playlist"] = join("OggS", make([]byte, 23), hls)
	files["GIF and playlist"] = join("GIF89a", hls)
	files["MP3 with a link"] = join(id3("WXXX", join(uint8(0), c.url, uint8(0))), id3("LINK", join(c.url+"\x00")), noise(3000))
	files["FLAC with a picture elsewhere"] = join("fLaC", []byte{6, 0, 0, byte(32 + 3 + len(c.url))},
		uint32(3), uint32(3), "-->", uint32(0), uint64(0), uint64(0), uint32(len(c.url)), c.url, flac(8000, 1, 16, 0, 2)[4:])
	comment := "METADATA_BLOCK_PICTURE=" + base64.StdEncoding.EncodeToString(join(uint32(3), uint32(3), "-->", make([]byte, 20), uint32(len(c.path)), c.path))
	files["FLAC with a picture in a comment"] = join("fLaC", []byte{4, 0, 0, byte(12 + len(comment))}, little(uint32(0), uint32(1), uint32(len(comment)), comment), flac(8000, 1, 16, 0, 2)[4:])
	asf := []byte{0x30, 0x26, 0xB2, 0x75, 0x8E, 0x66, 0xCF, 0x11, 0xA6, 0xD9, 0x00, 0xAA, 0x00, 0x62, 0xCE, 0x6C}
	files["ASF that sends elsewhere"] = little(asf, uint64(1000), uint32(1), uint16(0x0201),
		[]byte{0x30, 0x1A, 0xFB, 0x1E, 0x62, 0x0B, 0xD0, 0x11, 0xA3, 0x9B, 0x00, 0xA0, 0xC9, 0x03, 0x48, 0xF6}, uint64(100), c.url)
	files["RealMedia with a redirect"] = join(".RMF", uint32(18), uint16(0), uint32(0), uint32(1), "rtsp://", strings.TrimPrefix(c.url, "http://"))
	files["a module of music"] = join(make([]byte, 1080), "M.K.", noise(5000))
	files["a NES tune, which is endless"] = join("NESM\x1a\x01\x01\x01", make([]byte, 120), noise(4000))
	files["a MIDI file"] = join("MThd", uint32(6), uint16(0), uint16(1), uint16(1), "MTrk", uint32(4), []byte{0, 0xff, 0x2f, 0})
	return files
}
