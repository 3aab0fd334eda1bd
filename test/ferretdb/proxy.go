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

// MongoDB updates a document atomically. FerretDB first reads it and then writes the
// result, so two concurrent updates with the same condition can both succeed. This
// proxy lets only one write run at a time. Reads and heartbeats do not wait.

// serve forwards commands from l to the server at address, one write at a time,
// until ctx ends.
func serve(ctx context.Context, l net.Listener, address string) error {
	var writeMutex sync.Mutex
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
		wg.Go(func() { forward(ctx, client, address, &writeMutex) })
	}
}

// forward forwards the commands of one client until either side closes its
// connection.
func forward(ctx context.Context, client net.Conn, address string, writeMutex *sync.Mutex) error {
	defer client.Close()
	defer context.AfterFunc(ctx, func() { client.Close() })()
	server, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer server.Close()
	for {
		command, err := readMessage(client)
		if err != nil {
			return err
		}
		reply, err := exchangeSerialized(writeMutex, server, command)
		if err != nil {
			return err
		}
		if _, err := client.Write(reply); err != nil {
			return err
		}
	}
}

func exchangeSerialized(writeMutex *sync.Mutex, server net.Conn, command []byte) ([]byte, error) {
	if isWrite(command) {
		writeMutex.Lock()
		defer writeMutex.Unlock()
	}
	return exchange(server, command)
}

// isWrite reports whether a message is a command that changes data. The first field
// of its document is the name of the command.
func isWrite(message []byte) bool {
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

// exchange sends a command and returns the reply. Commands without a reply (write
// concern 0) are not supported.
func exchange(server net.Conn, command []byte) ([]byte, error) {
	if _, err := server.Write(command); err != nil {
		return nil, err
	}
	return readMessage(server)
}

// maxMessageSize is MongoDB's limit, in bytes.
const maxMessageSize = 48_000_000

// readMessage reads one message of the wire protocol. It starts with its length.
func readMessage(conn net.Conn) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n < 16 {
		return nil, errors.New("message without a header")
	}
	if n > maxMessageSize {
		return nil, fmt.Errorf("message of %d bytes", n)
	}
	message := make([]byte, n)
	copy(message, head[:])
	_, err := io.ReadFull(conn, message[len(head):])
	return message, err
}
