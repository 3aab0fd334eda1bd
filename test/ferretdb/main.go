// Command ferretdb is a MongoDB substitute for tests: FerretDB with SQLite, which needs
// no installation. It has no transactions and no TTL indexes, scans whole collections,
// and is not for production data.
//
// When it listens, it prints its address as a mongodb:// URI on one line.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "ferretdb:", err)
		os.Exit(1)
	}
}

func run() error {
	listen := flag.String("listen", "127.0.0.1:0", "TCP `address` to listen on")
	dir := flag.String("dir", "", "data `directory`; if empty, a temporary one")
	untilEOF := flag.Bool("until-eof", false, "exit when standard input ends, as it does when the parent process exits")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *untilEOF {
		go func() {
			io.Copy(io.Discard, os.Stdin)
			stop()
		}()
	}

	data := *dir
	if data == "" {
		temp, err := os.MkdirTemp("", "ferretdb")
		if err != nil {
			return err
		}
		defer os.RemoveAll(temp)
		data = temp
	}
	data, err := filepath.Abs(data)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	// Tests kill the process, not the machine, so data need not be flushed to disk.
	db, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: "127.0.0.1:0"},
		Logger:    slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
		Handler:   "sqlite",
		SQLiteURL: (&url.URL{Scheme: "file", Path: data + "/", RawQuery: "_pragma=synchronous(off)"}).String(),
	})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}

	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	wg.Go(func() { db.Run(ctx) })
	inner, err := url.Parse(db.MongoDBURI())
	if err != nil {
		return err
	}
	fmt.Printf("mongodb://%s/\n", l.Addr())
	return serve(ctx, l, inner.Host)
}
