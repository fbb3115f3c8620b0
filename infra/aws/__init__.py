"""The platform on AWS: one CDK app, twelve stacks, three sizes. Nothing else in the house imports the CDK."""
