// `sqs-consumer` with the first half of the work: from the queue into an execution.
const { Consumer } = require("sqs-consumer");
const { SQSClient } = require("@aws-sdk/client-sqs");
const { SFNClient, StartExecutionCommand } = require("@aws-sdk/client-sfn");

const states = new SFNClient({});

const consumer = Consumer.create({
  queueUrl: process.env.EVENT_QUEUE_URL,
  sqs: new SQSClient({}),
  batchSize: 10,
  waitTimeSeconds: 20,
  handleMessageBatch: async (messages) => {
    await Promise.all(
      messages.map((message) => {
        const { detail } = JSON.parse(message.Body);
        return states.send(
          new StartExecutionCommand({
            stateMachineArn: process.env.STATE_MACHINE_ARN,
            name: `process-interaction-${detail.interactionId}`,
            input: JSON.stringify(detail),
          }),
        );
      }),
    );
    return messages;
  },
});

consumer.on("error", (error) => console.error(error.message));
consumer.start();
