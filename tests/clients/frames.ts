// Uses the types that Modelina makes of the AsyncAPI document. It has to compile with --strict.
// Modelina puts "reserved" before names that are words of JavaScript or of browsers.

import { ChatChangedEventFrame } from "./ChatChangedEventFrame";
import { ErrorFrame } from "./ErrorFrame";
import { MessageChangedEventFrame } from "./MessageChangedEventFrame";
import { MessageNewEventFrame } from "./MessageNewEventFrame";
import { MessageSendRequestFrame } from "./MessageSendRequestFrame";
import { SessionEndedReason } from "./SessionEndedReason";

export const sent: MessageSendRequestFrame = {
  id: "1",
  action: "message.send",
  data: { clientId: "x", chatId: "y", content: { kind: "text", reservedText: "hi" } },
};

export function read(frame: MessageNewEventFrame | MessageChangedEventFrame | ErrorFrame): string {
  if ("re" in frame) return frame.error.message;
  return frame.data.content?.reservedText ?? "This message was deleted";
}

export function titleOf(frame: ChatChangedEventFrame): string {
  return frame.data.title ?? "A direct chat";
}

export const reason: SessionEndedReason = SessionEndedReason.SIGNED_OUT;
