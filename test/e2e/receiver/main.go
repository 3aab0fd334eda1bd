// Command receiver is a receiver of webhooks inside the cluster of the end-to-end tests. It
// verifies messages with the library of Standard Webhooks, and not with our own code.
// GET /messages returns those that it has accepted.
package main

import (
	"encoding/json"
	"io"
	"log"
	"net/http"
	"os"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// maxBody limits a message in bytes.
const maxBody = 1 << 20

// receiver is safe for concurrent use.
type receiver struct {
	webhook *standardwebhooks.Webhook

	mu       sync.Mutex
	messages []message
}

type message struct {
	ID   string          `json:"id"`
	Body json.RawMessage `json:"body"`
}

func main() {
	webhook, err := standardwebhooks.NewWebhook(os.Getenv("WEBHOOK_SECRET"))
	if err != nil {
		log.Fatal("WEBHOOK_SECRET: ", err)
	}
	r := &receiver{webhook: webhook, messages: []message{}}
	http.HandleFunc("POST /", r.handleMessage)
	http.HandleFunc("GET /messages", r.handleList)
	server := http.Server{Addr: ":8080", ReadTimeout: 10 * time.Second}
	log.Fatal(server.ListenAndServe())
}

func (r *receiver) handleMessage(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody))
	if err == nil {
		err = r.webhook.Verify(body, req.Header)
	}
	if err != nil {
		log.Print("refused: ", err)
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages = append(r.messages, message{req.Header.Get(standardwebhooks.HeaderWebhookID), body})
	w.WriteHeader(http.StatusNoContent)
}

func (r *receiver) handleList(w http.ResponseWriter, _ *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	json.NewEncoder(w).Encode(r.messages)
}
