"""The environment as Pulumi components: config, policy, components in boot order, one target a file."""
