// Package manifests holds what is in knative/, rabbitmq/ and databases/ to what
// Kubernetes, Knative and the functions' own code expect of it, without a cluster.
// All of it is tests.
package manifests
