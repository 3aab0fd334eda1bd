package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"syscall"

	"mp3converter/shared/jobs"
	"mp3converter/shared/webhooks"
)

// classify returns the state after an attempt, and what went wrong in words for the user.
// Everything but 410 is retried: while a receiver is set up or repaired, any status may
// occur. The words contain neither the URL, which may hold a secret, nor an address, which
// may be one of an internal network.
func classify(status int, err error) (jobs.DeliveryState, string) {
	switch {
	case err != nil:
		return jobs.DeliveryPending, describe(err)
	case status >= 200 && status < 300:
		return jobs.DeliveryDelivered, ""
	case status == http.StatusGone:
		return jobs.DeliveryRejected, "status 410: the receiver wants no more messages"
	case status >= 300 && status < 400:
		return jobs.DeliveryPending, fmt.Sprintf("status %d: redirects are not followed; configure the address to which it leads", status)
	}
	return jobs.DeliveryPending, fmt.Sprintf("status %d", status)
}

// describe describes the error of a request.
func describe(err error) string {
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var network net.Error
	switch {
	case errors.Is(err, webhooks.ErrNotPublic):
		return webhooks.ErrNotPublic.Error()
	case errors.As(err, &dns) && dns.IsNotFound:
		return "the name in the URL has no address"
	case errors.As(err, &dns):
		return "the name in the URL could not be resolved"
	case errors.As(err, &certificate):
		return "the certificate of the receiver is not valid for this URL"
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return "the receiver does not speak TLS"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return "the receiver did not answer in time"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection was refused"
	case errors.Is(err, context.Canceled):
		return "the attempt was interrupted"
	}
	return "the connection failed"
}
