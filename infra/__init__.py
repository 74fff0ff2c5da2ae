"""What it takes to run Parley on AWS: packaging, SQL migrations, and what is made around it."""
