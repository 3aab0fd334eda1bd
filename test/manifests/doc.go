// Package manifests tests the manifests in knative/, rabbitmq/ and databases/ without a
// cluster, against the types of Kubernetes and Knative and the configuration of the
// functions.
package manifests
