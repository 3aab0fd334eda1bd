package ffmpeg

// What ffmpeg and ffprobe may use of a file. An unknown name has no effect, so the lists
// serve all versions.

// allowedFormats are the containers that they may open. Playlists and other formats that
// refer to files or URLs are not allowed: they could make ffmpeg read local files or
// access the network.
const allowedFormats = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpegtsraw,mpeg,mpegvideo,flv,live_flv,asf,asf_o,ogg," +
	"oga,ogv,rm,ivf,nut,mxf,mxf_opatom,gxf,dv,wtv,wav,w64,aiff,caf,au,flac,mp3,aac,ac3,eac3,dts,dtshd," +
	"truehd,amr,amrnb,amrwb,ape,wv,tta,tak,mpc,mpc8,oma,voc,nsv"

// allowedDecoders are the decoders that they may use: those of sound and, to find the
// size of the picture or to take a frame as cover, those of usual videos. Some codecs have
// two decoders; which one is used depends on how ffmpeg was built.
const allowedDecoders = "aac,aac_latm,mp3float,mp3,mp2float,mp2,mp1float,mp1,ac3,eac3,mlp,truehd,dca," +
	"opus,libopus,vorbis,libvorbis,speex,libspeex,flac,alac,wavpack,tta,tak,ape,mpc7,mpc8," +
	"wmav1,wmav2,wmapro,wmalossless,wmavoice,real_144,real_288,cook,sipr,ralf,atrac1,atrac3,atrac3plus," +
	"amrnb,amrwb,gsm,gsm_ms,libgsm,libgsm_ms,g722,g726,ilbc,nellymoser,qdm2,qdmc,mace3,mace6,truespeech,dvaudio,s302m," +
	"adpcm_ms,adpcm_ima_wav,adpcm_ima_qt,adpcm_swf,adpcm_yamaha,adpcm_ct," +
	"pcm_s8,pcm_u8,pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,pcm_f64le,pcm_f64be," +
	"pcm_u16le,pcm_u16be,pcm_s8_planar,pcm_s16le_planar,pcm_s16be_planar,pcm_s24le_planar,pcm_s32le_planar,pcm_mulaw,pcm_alaw,pcm_bluray,pcm_dvd," +
	"h264,hevc,vvc,av1,libdav1d,libaom-av1,vp8,vp9,vp6,vp6f,vp6a,mpeg1video,mpeg2video,mpegvideo," +
	"mpeg4,msmpeg4v1,msmpeg4v2,msmpeg4,h263,h263p,flv,wmv1,wmv2,wmv3,vc1,theora," +
	"rv10,rv20,rv30,rv40,svq1,svq3,cinepak,dvvideo,prores,dnxhd,mjpeg,png"

// ffprobe opens a decoder for every track and fails if it may not. It may open these too,
// but decodes nothing with them.
const (
	otherVideoDecoders = "rawvideo,v210,cfhd,jpeg2000,libopenjpeg,ffv1,huffyuv,ffvhuff,utvideo,magicyuv,qtrle," +
		"indeo3,indeo4,indeo5,vp3,vp5,flashsv,flashsv2,camtasia,dirac,bmp,gif,tiff,targa,webp"
	subtitleDecoders = "mov_text,subrip,srt,ass,ssa,webvtt,text,dvbsub,dvdsub,pgssub,cc_dec,libzvbi_teletextdec"
)

// otherDecoderArgs are arguments of ffprobe. They must follow those of the input.
func otherDecoderArgs() []string {
	return []string{"-codec_whitelist:v", allowedDecoders + "," + otherVideoDecoders, "-codec_whitelist:s", subtitleDecoders}
}
