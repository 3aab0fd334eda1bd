package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// MongoDB changes a document in one step. FerretDB first looks for it and then
// writes what it made of it, so two writers with the same condition can both
// succeed. Letting one write in at a time restores what clients rely on. Reads,
// and the calls by which drivers see that a server is alive, don't wait.

// serve passes commands from l on to the server at address, in turns, until
// ctx ends.
func serve(ctx context.Context, l net.Listener, address string) error {
	var turn sync.Mutex
	var wg sync.WaitGroup
	defer wg.Wait()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	for {
		client, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		wg.Go(func() { relay(ctx, client, address, &turn) })
	}
}

// relay passes the commands of one client on until either side hangs up.
func relay(ctx context.Context, client net.Conn, address string, turn *sync.Mutex) error {
	defer client.Close()
	defer context.AfterFunc(ctx, func() { client.Close() })()
	server, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer server.Close()
	for {
		command, err := read(client)
		if err != nil {
			return err
		}
		reply, err := inTurn(turn, server, command)
		if err != nil {
			return err
		}
		if _, err := client.Write(reply); err != nil {
			return err
		}
	}
}

func inTurn(turn *sync.Mutex, server net.Conn, command []byte) ([]byte, error) {
	if writes(command) {
		turn.Lock()
		defer turn.Unlock()
	}
	return exchange(server, command)
}

// writes reports whether a message is a command that changes something. The
// first field of its document names the command.
func writes(message []byte) bool {
	const opMsg, opcode, name = 2013, 12, 26
	if len(message) <= name || binary.LittleEndian.Uint32(message[opcode:]) != opMsg {
		return false
	}
	command, _, _ := bytes.Cut(message[name:], []byte{0})
	switch string(command) {
	case "insert", "update", "delete", "findAndModify", "createIndexes":
		return true
	}
	return false
}

// exchange sends a command and returns the reply. Commands that want none
// (write concern 0) are not for tests.
func exchange(server net.Conn, command []byte) ([]byte, error) {
	if _, err := server.Write(command); err != nil {
		return nil, err
	}
	return read(server)
}

// largest is the limit that MongoDB sets to the bytes of a message.
const largest = 48_000_000

// read reads one message of the wire protocol, which begins with its length.
func read(conn net.Conn) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n < 16 {
		return nil, errors.New("a message without a header")
	}
	if n > largest {
		return nil, fmt.Errorf("a message of %d bytes", n)
	}
	message := make([]byte, n)
	copy(message, head[:])
	_, err := io.ReadFull(conn, message[len(head):])
	return message, err
}
