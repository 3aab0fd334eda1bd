// Package convert is the command "mp3converter convert": it converts files on this
// machine, or has a service convert them. It is no service itself and leaves none behind.
package convert

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/kelseyhightower/envconfig"
	"github.com/spf13/cobra"

	"mp3converter/shared/logs"
)

const help = `Convert videos, and other files with sound, to MP3.

With a server (--server or MP3_SERVER) each file is uploaded, converted there and the MP3
downloaded. After Ctrl-C, or when the network is lost for longer than --retry, the same
command continues where it stopped. Without a server the files are converted on this
machine, which needs ffmpeg.

The MP3 has the name of the file and goes to the working directory, or that of -o. A file
that exists is not overwritten unless --force is given.

Give the account by --user, MP3_USER or MP3_TOKEN. A password belongs in MP3_PASSWORD, in
MP3_USER as email:password, or at the prompt: other users of this machine can see
arguments.

Progress is shown if standard error is a terminal. Nothing is printed on standard output
but the lines of --json, one object for each file.

Exit status:
  0    every file was converted
  1    a file was not converted; the others were
  2    wrong usage, or ffmpeg is missing; nothing was converted
  3    the server cannot be reached or refuses the login
  130  interrupted`

const examples = `  mp3converter convert talk.mp4
  mp3converter convert --preset speech -o mp3/ *.mkv
  export MP3_SERVER=https://mp3.example.com MP3_USER=me@example.com
  mp3converter convert --start 1:30 --end 12:00 talk.mp4`

// environment is what the flags need not repeat.
type environment struct {
	Server   string `envconfig:"MP3_SERVER"`
	Token    string `envconfig:"MP3_TOKEN"`
	User     string `envconfig:"MP3_USER"` // email or email:password
	Password string `envconfig:"MP3_PASSWORD"`
}

// config is what the flags and the environment set.
type config struct {
	server                string // "" converts on this machine
	token, user, password string

	dir      string // for the MP3s
	options  map[string]string
	force    bool
	json     bool
	quiet    bool
	parallel int
	retry    time.Duration
}

// Command returns the command. Its errors have an ExitStatus.
func Command() *cobra.Command {
	var cfg config
	cmd := &cobra.Command{
		Use: "convert FILE...", Short: "Convert files to MP3, on this machine or by a server", Long: help, Example: examples,
		Args: needFiles, DisableFlagsInUseLine: true,
	}
	flags := cmd.Flags()
	flags.StringVar(&cfg.server, "server", "", "URL of the service (MP3_SERVER); empty converts on this machine")
	flags.StringVar(&cfg.user, "user", "", "account, as EMAIL (MP3_USER)")
	flags.StringVar(&cfg.token, "token", "", "token of POST /login (MP3_TOKEN)")
	flags.StringVarP(&cfg.dir, "output", "o", ".", "directory for the MP3s; created if it does not exist")
	flags.BoolVarP(&cfg.force, "force", "f", false, "overwrite MP3s that exist")
	flags.BoolVar(&cfg.json, "json", false, "print a JSON object for each file")
	flags.BoolVarP(&cfg.quiet, "quiet", "q", false, "show no progress")
	flags.IntVar(&cfg.parallel, "parallel", 0, "files at a time; by default 2 with a server, else one per core")
	flags.DurationVar(&cfg.retry, "retry", 10*time.Minute, "how long to try again without progress, with a server")
	tag := flags.String("tag", "", "text of your own for the job, with a server")
	options := addOptions(cmd)
	_ = cmd.MarkFlagDirname("output")
	cmd.RunE = func(cmd *cobra.Command, files []string) (err error) {
		var env environment
		if err := envconfig.Process("", &env); err != nil {
			return err
		}
		if !flags.Changed("server") {
			cfg.server = env.Server
		}
		if cfg.user == "" && cfg.token == "" {
			cfg.user, cfg.token = env.User, env.Token
		}
		cfg.password = env.Password
		if cfg.options, err = options(); err != nil {
			return err
		}
		switch {
		case cfg.parallel < 0 || cfg.retry < 0:
			return errors.New("--parallel and --retry must not be negative")
		case *tag != "" && cfg.server == "":
			return errors.New("--tag needs a server")
		case *tag != "":
			cfg.options["tag"] = *tag
		}
		return run(cmd.Context(), cfg, files, cmd.OutOrStdout(), cmd.ErrOrStderr())
	}
	return cmd
}

func needFiles(_ *cobra.Command, files []string) error {
	if len(files) == 0 {
		return errors.New("name at least one file to convert")
	}
	return nil
}

// run converts the files. Its error has the exit status of the process.
func run(ctx context.Context, cfg config, files []string, stdout, stderr io.Writer) error {
	slog.SetDefault(logs.New(stderr, "text", cmp.Or(os.Getenv("LOG_LEVEL"), "error")))
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	defer stop()
	if err := os.MkdirAll(cfg.dir, 0o777); err != nil {
		return err
	}
	show := newDisplay(stderr, cfg.quiet)
	defer show.close()
	converter, err := newConverter(ctx, &cfg, len(files), show)
	if err != nil {
		return err
	}
	results := newReport(cfg.json, stdout, show)
	names := newOutputs(cfg.dir, cfg.force)
	slots := make(chan struct{}, max(1, cfg.parallel))
	var wg sync.WaitGroup
	for _, path := range files {
		slots <- struct{}{} // in the order of the arguments
		wg.Go(func() {
			defer func() { <-slots }()
			row := show.row(path)
			defer row.close() // after the result, which would not be shown without a bar
			results.add(convertFile(ctx, converter, path, names, row))
		})
	}
	wg.Wait()
	show.close()
	return results.err(ctx, cfg.server != "")
}

// newConverter returns the converter of a server, or that of this machine. It sets how
// many files it takes at a time, unless cfg does.
func newConverter(ctx context.Context, cfg *config, files int, show *display) (converter, error) {
	if cfg.server == "" {
		cfg.parallel = cmp.Or(cfg.parallel, runtime.GOMAXPROCS(0))
		cfg.parallel = min(cfg.parallel, files)
		return newLocal(*cfg)
	}
	cfg.parallel = cmp.Or(cfg.parallel, 2)
	return newRemote(ctx, *cfg, show)
}

// converter converts one file at a time, concurrently for several callers.
type converter interface {
	// convert converts in and places the MP3 at out. It sets what r says of the server.
	convert(ctx context.Context, in *source, out *output, row *row, r *result) error
}

// convertFile converts one file and returns what became of it.
func convertFile(ctx context.Context, c converter, path string, names *outputs, row *row) (r result) {
	begun := time.Now()
	r = result{File: path, State: "failed"}
	defer func() { r.Seconds = time.Since(begun).Round(time.Millisecond).Seconds() }()
	if ctx.Err() != nil {
		r.fail(ctx, context.Cause(ctx))
		return r
	}
	in, err := openSource(path)
	if err != nil {
		r.fail(ctx, err)
		return r
	}
	defer in.file.Close()
	out, err := names.reserve(in.name)
	if err != nil {
		r.fail(ctx, err)
		return r
	}
	if err := c.convert(ctx, in, out, row, &r); err != nil {
		r.fail(ctx, err)
		return r
	}
	r.State, r.Output, r.Bytes = "done", out.path, out.bytes
	return r
}
