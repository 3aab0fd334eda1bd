// Package manifests holds what is in knative/, rabbitmq/ and databases/ to what
// Kubernetes, Knative and the functions' own code expect of it, without a cluster.
// All of it is tests.
//
// It is a module of its own: Knative's types pull in a good part of Kubernetes,
// which the functions neither need nor should have to agree with on versions.
package manifests
