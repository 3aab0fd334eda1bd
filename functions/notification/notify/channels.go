package notify

// Channels returns those that are configured.
func Channels(mail MailConfig, hook WebhookConfig) ([]Channel, error) {
	var channels []Channel
	if mail.Host != "" {
		m, err := NewMail(mail)
		if err != nil {
			return nil, err
		}
		channels = append(channels, m)
	}
	if hook.URL != "" {
		h, err := NewWebhook(hook)
		if err != nil {
			return nil, err
		}
		channels = append(channels, h)
	}
	return channels, nil
}
