//! Requests: asking peers, and handing their questions to the node.

use super::{Reply, Service};
use crate::behaviour::request_timeout;
use crate::codec::Received;
use crate::error::{MessageError, RequestError};
use crate::event::Event;
use crate::limits::OUTBOUND_REQUESTS_MAX;
use crate::message::{Request, RequestKind, Response};
use crate::peers::Offence;
use crate::pending::RequestToken;
use crate::stats::count;
use libp2p::PeerId;
use libp2p::request_response::{
    self, Message, OutboundFailure, OutboundRequestId, ResponseChannel,
};
use std::io::ErrorKind;
use std::time::Instant;

impl Service {
    pub(super) fn ask(&mut self, peer: PeerId, request: Request, reply: Reply) {
        let kind = request.kind();
        let refusal = if let Err(error) = request.encode() {
            Some(RequestError::Invalid(error))
        } else if !self.swarm.is_connected(&peer) {
            Some(RequestError::NotConnected { peer })
        } else if self.asked.len() >= OUTBOUND_REQUESTS_MAX {
            Some(RequestError::Busy { waiting: self.asked.len(), limit: OUTBOUND_REQUESTS_MAX })
        } else {
            None
        };
        if let Some(refusal) = refusal {
            // An error means that the caller no longer waits.
            let _ = reply.send(Err(refusal));
            return;
        }
        let id = self.swarm.behaviour_mut().requests(kind).send_request(&peer, Ok(request));
        self.asked.insert((kind, id), reply);
    }

    pub(super) fn respond(&mut self, token: RequestToken, response: Response) {
        let fits = if response.kind() == token.kind {
            response.verify()
        } else {
            Err(MessageError::Kind { kind: token.kind })
        };
        if let Err(error) = fits {
            tracing::error!(kind = token.kind.name(), %error, "response cannot be sent");
            self.refuse(token);
            return;
        }
        if let Some(channel) = self.unanswered.take(token) {
            // An error gives the response back: the peer no longer waits.
            let _ =
                self.swarm.behaviour_mut().requests(token.kind).send_response(channel, response);
        }
    }

    pub(super) fn refuse(&mut self, token: RequestToken) {
        if self.unanswered.take(token).is_some() {
            count(&self.shared.counters.requests_refused);
        }
    }

    pub(super) fn on_request(
        &mut self,
        kind: RequestKind,
        event: request_response::Event<Received, Response>,
    ) {
        use request_response::Event as Happened;
        match event {
            Happened::Message {
                peer, message: Message::Request { request, channel, .. }, ..
            } => match request {
                Ok(request) => self.on_asked(peer, request, channel),
                Err(error) => {
                    tracing::debug!(%peer, kind = kind.name(), %error, "bad request");
                    self.blame(peer, Offence::BadFrame);
                }
            },
            Happened::Message { message: Message::Response { request_id, response }, .. } => {
                self.answer(kind, request_id, Ok(response));
            }
            Happened::OutboundFailure { peer, request_id, error, .. } => {
                let error = self.failure(kind, peer, error);
                self.answer(kind, request_id, Err(error));
            }
            Happened::InboundFailure { peer, error, .. } => {
                tracing::debug!(%peer, kind = kind.name(), %error, "peer's request failed");
            }
            Happened::ResponseSent { .. } => {}
        }
    }

    fn on_asked(&mut self, from: PeerId, request: Request, channel: ResponseChannel<Response>) {
        let now = Instant::now();
        let kind = request.kind();
        let within_budget = self.mark_up(from).is_some_and(|peer| peer.may_ask(&request, now));
        count(&self.shared.counters.requests_received);
        let deadline = now + request_timeout(kind, &self.limits);
        // Dropping the channel closes the stream, which tells the peer that it was refused.
        let token =
            if within_budget { self.unanswered.insert(kind, channel, deadline).ok() } else { None };
        match token {
            Some(token) => self.emit(Event::Request { from, request, token }),
            None => {
                tracing::debug!(%from, kind = kind.name(), within_budget, "request refused");
                count(&self.shared.counters.requests_refused);
            }
        }
    }

    fn answer(
        &mut self,
        kind: RequestKind,
        id: OutboundRequestId,
        answer: Result<Response, RequestError>,
    ) {
        if let Some(reply) = self.asked.remove(&(kind, id)) {
            // An error means that the caller no longer waits.
            let _ = reply.send(answer);
        }
    }

    fn failure(&mut self, kind: RequestKind, peer: PeerId, error: OutboundFailure) -> RequestError {
        match error {
            OutboundFailure::DialFailure => RequestError::NotConnected { peer },
            OutboundFailure::Timeout => RequestError::Timeout,
            OutboundFailure::ConnectionClosed => RequestError::Closed,
            OutboundFailure::UnsupportedProtocols => RequestError::Unsupported { kind },
            OutboundFailure::Io(error) => match error.kind() {
                ErrorKind::InvalidData => {
                    self.blame(peer, Offence::BadFrame);
                    RequestError::BadResponse { reason: error.to_string() }
                }
                ErrorKind::UnexpectedEof => RequestError::Refused,
                // libp2p's own refusal of one more stream on the connection.
                ErrorKind::Other => {
                    let waiting = self.asked.len();
                    RequestError::Busy { waiting, limit: crate::limits::REQUEST_STREAMS_MAX }
                }
                _ => RequestError::Stream { reason: error.to_string() },
            },
        }
    }
}
