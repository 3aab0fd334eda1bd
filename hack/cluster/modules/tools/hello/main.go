// Command hello is what `check` runs on the cluster: it answers every request
// after as long as ?sleep= says, and counts nothing.
package main

import (
	"cmp"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"time"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		wait, err := time.ParseDuration(cmp.Or(r.FormValue("sleep"), "0s"))
		if err != nil {
			http.Error(w, "sleep is not a duration", http.StatusBadRequest)
			return
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		time.Sleep(wait)
		log.Printf("event %q %s", r.Header.Get("Ce-Id"), r.Header.Get("Content-Type"))
		fmt.Fprintln(w, "hello")
	})
	log.Fatal(http.ListenAndServe(":"+cmp.Or(os.Getenv("PORT"), "8080"), nil))
}
